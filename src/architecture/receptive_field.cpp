#include "ddpm/architecture/receptive_field.h"

#include <algorithm>

#include "propagation.h"

namespace ddpm {
namespace {

// Collects counts into a range.
class Counts {
 public:
  void add(std::int64_t count) {
    range_.minimum = number_ == 0 ? count : std::min(range_.minimum, count);
    range_.maximum = std::max(range_.maximum, count);
    sum_ += static_cast<double>(count);
    ++number_;
  }
  CountRange range() const {
    CountRange result = range_;
    result.mean = number_ == 0 ? 0 : sum_ / static_cast<double>(number_);
    return result;
  }

 private:
  CountRange range_;
  double sum_ = 0;
  std::int64_t number_ = 0;
};

// What outputs first..last see at the input.
PhaseField view(const PositionSet& seen, Interval outputs, const Fraction& spacing) {
  PhaseField field{.first = outputs.low, .last = outputs.high, .size = seen.count()};
  if (seen.empty()) return field;
  const auto own = [&](std::int64_t output) {
    return floor_division(output * spacing.denominator, spacing.numerator);
  };
  field.left = own(outputs.low) - seen.hull().low;
  field.right = seen.hull().high - own(outputs.high);
  return field;
}

// Analyses one graph; see ReceptiveField.
class Analysis {
 public:
  explicit Analysis(const LayerGraph& graph)
      : graph_(graph),
        spacings_(grid_spacings(graph)),
        one_output_(graph.layers.size()),
        one_input_(graph.layers.size()) {
    result_.outputs_per_input = spacings_.front();
    result_.period = common_period(spacings_);
    result_.layers.resize(graph.layers.size());
  }

  ReceptiveField run() {
    look_back();
    look_back_from_period();
    look_forward();
    for (std::size_t i = 0; i < graph_.layers.size(); ++i) {
      result_.layers[i].outputs_per_position = spacings_[i];
      result_.layers[i].one_output = one_output_[i].range();
      result_.layers[i].one_input = one_input_[i].range();
    }
    result_.size = result_.layers.front().one_output;
    result_.influence = result_.layers.back().one_input;
    result_.widest_path = widest_path(graph_, spacings_);
    return std::move(result_);
  }

 private:
  void look_back() {
    Propagation propagation(graph_);
    for (std::int64_t phase = 0; phase < result_.period; ++phase) {
      const std::vector<PositionSet>& sets = propagation.back({phase, phase});
      for (std::size_t i = 0; i < sets.size(); ++i) one_output_[i].add(sets[i].count());
      result_.has_holes = result_.has_holes || sets.front().has_holes();
      const PhaseField field = view(sets.front(), {phase, phase}, spacings_.front());
      std::vector<PhaseField>& phases = result_.phases;
      const bool as_before = !phases.empty() && phases.back().size == field.size &&
                             phases.back().left == field.left && phases.back().right == field.right;
      if (as_before)
        phases.back().last = phase;
      else
        phases.push_back(field);
    }
  }

  void look_back_from_period() {
    Propagation propagation(graph_);
    const Interval outputs = {0, result_.period - 1};
    const std::vector<PositionSet>& sets = propagation.back(outputs);
    for (std::size_t i = 0; i < sets.size(); ++i) result_.layers[i].period = sets[i].count();
    result_.whole_period = view(sets.front(), outputs, spacings_.front());
  }

  // Inputs see alike again after the inputs of one period.
  void look_forward() {
    const Fraction& spacing = spacings_.front();
    const std::int64_t inputs = result_.period / spacing.numerator * spacing.denominator;
    Propagation propagation(graph_);
    for (std::int64_t input = 0; input < inputs; ++input) {
      const std::vector<PositionSet>& sets = propagation.forward({input, input});
      for (std::size_t i = 0; i < sets.size(); ++i) one_input_[i].add(sets[i].count());
      if (input == 0) result_.reach = sets.back().hull();
    }
  }

  const LayerGraph& graph_;
  std::vector<Fraction> spacings_;
  std::vector<Counts> one_output_, one_input_;  // by layer
  ReceptiveField result_;
};

// Whether a layer's result has as many positions as its grid is finer or coarser, if the input's length
// is a multiple of the stride.
bool keeps_length(const Layer& layer) {
  const std::int64_t padding = layer.taps.padding + layer.padding_after;
  const std::int64_t more = layer.taps.reach() + 1 - padding;
  if (layer.kind == LayerKind::kConvolution) return more >= 1 && more <= layer.taps.stride;
  if (layer.kind == LayerKind::kTransposed) return more + layer.output_padding == layer.taps.stride;
  return true;
}

// Whether these outputs see the whole of an input with ends: every one of them, or at least one.
bool see_all(Propagation& propagation, const std::vector<std::int64_t>& lengths, Interval outputs,
             bool every) {
  const PositionSet whole({0, lengths.front() - 1});
  for (std::int64_t output = outputs.low; output <= outputs.high; ++output)
    if ((propagation.back({output, output}, &lengths).front() == whole) != every) return !every;
  return every;
}

}  // namespace

ReceptiveField receptive_field(const LayerGraph& graph) { return Analysis(graph).run(); }

std::vector<PositionSet> seen_positions(const LayerGraph& graph, Interval outputs) {
  return Propagation(graph).back(outputs);
}

PositionSet seen_inputs(const LayerGraph& graph, std::int64_t output,
                        const std::vector<std::int64_t>* lengths) {
  return Propagation(graph).back({output, output}, lengths).front();
}

PositionSet reached_outputs(const LayerGraph& graph, std::int64_t input) {
  return Propagation(graph).forward({input, input}).back();
}

FreeOfPadding free_of_padding(const LayerGraph& graph, std::int64_t inputs) {
  const std::vector<std::int64_t> lengths = layer_lengths(graph, inputs);
  const std::vector<Fraction> spacings = grid_spacings(graph);
  const std::int64_t period = common_period(spacings);
  FreeOfPadding result{.inputs = inputs, .outputs = lengths.back()};
  Propagation propagation(graph);
  for (std::int64_t phase = 0; phase < std::min(period, result.outputs); ++phase) {
    const std::vector<PositionSet>& sets = propagation.back({phase, phase});
    // The outputs phase + n * period for which every layer's positions, shifted, exist.
    Interval n = {0, (result.outputs - 1 - phase) / period};
    for (std::size_t i = 0; i < sets.size(); ++i) {
      if (sets[i].empty()) continue;
      const std::int64_t shift = period / spacings[i].numerator * spacings[i].denominator;
      n.low = std::max(n.low, ceil_division(-sets[i].hull().low, shift));
      n.high = std::min(n.high, floor_division(lengths[i] - 1 - sets[i].hull().high, shift));
    }
    if (n.empty()) continue;
    const Interval outputs = {phase + n.low * period, phase + n.high * period};
    result.hull = result.hull.empty() ? outputs
                                      : Interval{std::min(result.hull.low, outputs.low),
                                                 std::max(result.hull.high, outputs.high)};
    result.free += n.length();
  }
  return result;
}

std::optional<WholeLengths> whole_lengths(const LayerGraph& graph) {
  const std::vector<Fraction> spacings = grid_spacings(graph);
  if (spacings.front() != Fraction{} || !std::ranges::all_of(graph.layers, keeps_length))
    return std::nullopt;
  const std::int64_t period = common_period(spacings);
  Propagation propagation(graph);
  Interval view;  // around an output at 0, of all phases together
  for (std::int64_t phase = 0; phase < period; ++phase) {
    const Interval hull = propagation.back({phase, phase}).front().hull();
    view = {std::min(view.low, hull.low - phase), std::max(view.high, hull.high - phase)};
  }
  // The outputs at the ends see least. Those that see most have both ends of the input in view.
  const auto is_seen = [&](std::int64_t length, bool by_every) {
    const std::vector<std::int64_t> lengths = layer_lengths(graph, length);
    if (by_every)
      return see_all(propagation, lengths, {0, period - 1}, true) &&
             see_all(propagation, lengths, {length - period, length - 1}, true);
    const std::int64_t low = std::max<std::int64_t>(0, length - 1 - view.high);
    const std::int64_t high = std::min(length - 1, -view.low);
    const std::int64_t middle = low + (high - low) / 2;
    return see_all(propagation, lengths,
                   {std::max(low, middle - period), std::min(high, middle + period)}, false);
  };
  // The largest multiple of the period, by bisection: who sees all of an input would see all of a
  // shorter one.
  const auto largest = [&](bool by_every) {
    std::int64_t seen = 0, unseen = view.length() / period + 1;
    while (unseen - seen > 1) {
      const std::int64_t middle = seen + (unseen - seen) / 2;
      (is_seen(middle * period, by_every) ? seen : unseen) = middle;
    }
    return seen * period;
  };
  return WholeLengths{.every_output = largest(true), .some_output = largest(false)};
}

std::vector<std::size_t> global_layers(const LayerGraph& graph) {
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < graph.layers.size(); ++i)
    if (graph.layers[i].kind == LayerKind::kGlobal) result.push_back(i);
  return result;
}

double naive_receptive_field(const LayerGraph& graph) {
  std::vector<double> widths(graph.layers.size(), 0);
  widths.back() = 1;
  for (std::size_t i = graph.layers.size(); i-- > 0;) {
    const Layer& layer = graph.layers[i];
    const auto stride = static_cast<double>(layer.taps.stride);
    double width = widths[i];
    if (layer.kind == LayerKind::kConvolution)
      width = (width - 1) * stride + static_cast<double>(layer.taps.reach()) + 1;
    else if (layer.kind == LayerKind::kTransposed || layer.kind == LayerKind::kNearest)
      width /= stride;
    for (const std::size_t input : layer.inputs) widths[input] = std::max(widths[input], width);
  }
  return widths.front();
}

}  // namespace ddpm
