#include "propagation.h"

#include <algorithm>
#include <numeric>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"

namespace ddpm {
namespace {

constexpr std::int64_t kMaxPeriod = std::int64_t{1} << 20;

// By how many inputs this layer makes the receptive field wider. `before` and `after` are the
// distances on the grids of its input and its result, in inputs.
double widening(const Layer& layer, double before, double after) {
  const auto reach = static_cast<double>(layer.taps.reach());
  switch (layer.kind) {
    case LayerKind::kConvolution:
      return reach * before;
    case LayerKind::kTransposed:
    case LayerKind::kNearest:
      return (reach + 1 - static_cast<double>(layer.taps.stride)) * after;
    case LayerKind::kInput:
    case LayerKind::kAdd:
    case LayerKind::kConcat:
    case LayerKind::kGlobal:
    case LayerKind::kPoint:
      return 0;
  }
  return 0;
}

}  // namespace

// Through a convolution a set spreads on the way back and is gathered on the way forward; through what
// makes positions more numerous it is the other way round.
PositionSet Propagation::carried(const Layer& layer, const PositionSet& set, Direction direction) {
  const auto move = [&](bool spreads) {
    return spreads ? spread(set, layer.taps, work_) : gather(set, layer.taps, work_);
  };
  switch (layer.kind) {
    case LayerKind::kConvolution:
      return move(direction == Direction::kBack);
    case LayerKind::kTransposed:
    case LayerKind::kNearest:
      return move(direction == Direction::kForward);
    case LayerKind::kInput:
    case LayerKind::kAdd:
    case LayerKind::kConcat:
    case LayerKind::kGlobal:
    case LayerKind::kPoint:
      return set;
  }
  return set;
}

void Propagation::check(std::size_t layer) const {
  const PositionSet& set = sets_[layer];
  const Interval hull = set.hull();
  if (hull.low < -kMaxPosition || hull.high > kMaxPosition)
    throw ConfigError(format_text("layer '{}': the receptive field reaches beyond {} positions",
                                  shorten(graph_.layers[layer].name), kMaxPosition));
}

void Propagation::merge(PositionSet& set, const PositionSet& more) {
  work_.add(1 + static_cast<std::int64_t>(set.runs().size() + more.runs().size()));
  set.add(more);
}

const std::vector<PositionSet>& Propagation::back(Interval outputs,
                                                  const std::vector<std::int64_t>* lengths) {
  for (PositionSet& set : sets_) set.clear();
  sets_.back() = PositionSet(outputs);
  for (std::size_t i = sets_.size(); i-- > 0;) {
    if (lengths != nullptr) sets_[i].clip({0, (*lengths)[i] - 1});
    check(i);
    if (graph_.layers[i].inputs.empty()) continue;
    const PositionSet read = carried(graph_.layers[i], sets_[i], Direction::kBack);
    for (const std::size_t input : graph_.layers[i].inputs) merge(sets_[input], read);
  }
  return sets_;
}

const std::vector<PositionSet>& Propagation::forward(Interval inputs) {
  for (PositionSet& set : sets_) set.clear();
  sets_.front() = PositionSet(inputs);
  for (std::size_t i = 1; i < sets_.size(); ++i) {
    for (const std::size_t input : graph_.layers[i].inputs)
      merge(sets_[i], carried(graph_.layers[i], sets_[input], Direction::kForward));
    check(i);
  }
  return sets_;
}

std::int64_t common_period(const std::vector<Fraction>& spacings) {
  std::int64_t period = 1, inputs = 1;
  for (const Fraction& spacing : spacings) {
    // Both are limited before they are multiplied: 2^20 * 2^41 still fits.
    period = period / std::gcd(period, spacing.numerator) * spacing.numerator;
    if (period > kMaxPeriod) break;
  }
  if (period <= kMaxPeriod)
    inputs = period / spacings.front().numerator * spacings.front().denominator;
  if (period > kMaxPeriod || inputs > kMaxPeriod)
    throw ConfigError(
        format_text("the receptive field repeats only after more than {} positions; this is more "
                    "than can be computed here; use smaller strides",
                    kMaxPeriod));
  return period;
}

std::vector<PathStep> widest_path(const LayerGraph& graph, const std::vector<Fraction>& spacings) {
  const double input_spacing = spacings.front().value();
  std::vector<double> widths(graph.layers.size(), 0);
  std::vector<std::size_t> best(graph.layers.size(), 0);  // the input by which the path comes
  for (std::size_t i = 1; i < graph.layers.size(); ++i) {
    const Layer& layer = graph.layers[i];
    best[i] = *std::ranges::max_element(layer.inputs, {},
                                        [&](std::size_t input) { return widths[input]; });
    widths[i] = widths[best[i]] + widening(layer, spacings[best[i]].value() / input_spacing,
                                           spacings[i].value() / input_spacing);
  }
  std::vector<PathStep> path;
  for (std::size_t i = graph.layers.size() - 1;; i = best[i]) {
    PathStep step{.layer = i, .branch = std::nullopt};
    if (graph.layers[i].inputs.size() > 1) step.branch = best[i];
    path.push_back(step);
    if (i == 0) break;
  }
  std::ranges::reverse(path);
  return path;
}

}  // namespace ddpm
