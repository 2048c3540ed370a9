// Receptive fields of random graphs, compared with a computation that follows every tap of every
// position by itself, on an input with ends.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "ddpm/architecture/receptive_field.h"
#include "ddpm/base/format.h"

namespace ddpm {
namespace {

// What each position of a layer's result depends on.
struct Dependence {
  std::vector<bool> inputs;
  bool padding = false;  // it also depends on what lies beyond the ends of some layer
};
using Row = std::vector<Dependence>;

void depend(Dependence& result, const Row& source, std::int64_t position) {
  if (position < 0 || position >= static_cast<std::int64_t>(source.size())) {
    result.padding = true;
    return;
  }
  const Dependence& one = source[static_cast<std::size_t>(position)];
  result.padding = result.padding || one.padding;
  for (std::size_t i = 0; i < result.inputs.size(); ++i)
    if (one.inputs[i]) result.inputs[i] = true;
}

// The positions of the input that result `output` of one layer reads, from the layer's definition.
std::set<std::int64_t> sources(const Layer& layer, std::int64_t output) {
  const auto [kernel, stride, padding, dilation] = layer.taps;
  std::set<std::int64_t> result;
  switch (layer.kind) {
    case LayerKind::kConvolution:
      for (std::int64_t j = 0; j < kernel; ++j)
        result.insert(output * stride - padding + dilation * j);
      break;
    case LayerKind::kTransposed:  // input i adds to outputs i * stride - padding + dilation * j
      for (std::int64_t i = -20; i < 170; ++i)
        for (std::int64_t j = 0; j < kernel; ++j)
          if (i * stride - padding + dilation * j == output) result.insert(i);
      break;
    case LayerKind::kNearest:
      result.insert(output / stride);
      break;
    default:
      result.insert(output);
  }
  return result;
}

Row propagate(const LayerGraph& graph, const std::vector<std::int64_t>& lengths) {
  const auto inputs = static_cast<std::size_t>(lengths.front());
  std::vector<Row> rows;
  for (std::size_t n = 0; n < graph.layers.size(); ++n) {
    const Layer& layer = graph.layers[n];
    Row row(static_cast<std::size_t>(lengths[n]), {std::vector<bool>(inputs), false});
    for (std::size_t x = 0; x < row.size(); ++x) {
      if (n == 0) row[x].inputs[x] = true;
      for (const std::size_t input : layer.inputs)
        for (const std::int64_t source : sources(layer, static_cast<std::int64_t>(x)))
          depend(row[x], rows[input], source);
    }
    rows.push_back(std::move(row));
  }
  return rows.back();
}

class Graphs {
 public:
  explicit Graphs(unsigned seed) : random_(seed) {}

  std::int64_t draw(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random_);
  }

  // Layers that follow each other or branch, and join where resolution and length allow it. All lead
  // to the output.
  LayerGraph next(std::int64_t length) {
    LayerGraph graph;
    graph.add({.name = "input", .kind = LayerKind::kInput, .inputs = {}});
    std::vector<std::int64_t> lengths = {length};
    std::set<std::size_t> unread = {0};
    const std::int64_t size = draw(1, 9);
    while (static_cast<std::int64_t>(graph.layers.size()) <= size || unread.size() > 1) {
      Layer layer =
          unread.size() > 1 && draw(0, 1) == 0 ? join(graph, lengths, unread) : any(graph);
      LayerGraph longer = graph;
      longer.add(layer);
      const std::int64_t after = length_of(longer, length);
      if (after < 1 || after > 150) continue;
      if (graph.layers.size() > 40) return next(length);  // its branches do not fit each other
      lengths.push_back(after);
      for (const std::size_t input : layer.inputs) unread.erase(input);
      unread.insert(graph.add(layer));
    }
    return graph;
  }

 private:
  static std::int64_t length_of(const LayerGraph& graph, std::int64_t length) {
    try {
      static_cast<void>(grid_spacings(graph));
      return layer_lengths(graph, length).back();
    } catch (const std::exception&) {
      return 0;
    }
  }

  Layer any(const LayerGraph& graph) {
    Layer layer{.name = "layer"};
    const auto last = static_cast<std::int64_t>(graph.layers.size()) - 1;
    layer.inputs = {static_cast<std::size_t>(draw(std::max<std::int64_t>(0, last - 1), last))};
    const std::int64_t kind = draw(0, 9);
    layer.kind = kind < 6   ? LayerKind::kConvolution
                 : kind < 8 ? LayerKind::kTransposed
                 : kind < 9 ? LayerKind::kNearest
                            : LayerKind::kPoint;
    if (layer.kind == LayerKind::kPoint) return layer;
    layer.taps = {draw(1, 5), draw(0, 2) == 0 ? draw(2, 3) : 1, draw(0, 4),
                  draw(0, 1) == 0 ? draw(2, 4) : 1};
    if (layer.kind == LayerKind::kNearest) {
      layer.taps = {.kernel = layer.taps.stride, .stride = layer.taps.stride};
    } else if (draw(0, 1) == 0) {  // one that keeps the length, so that branches can join
      layer.taps.padding = layer.taps.reach() / 2;
      layer.padding_after = layer.taps.reach() - layer.taps.padding;
    } else {
      layer.padding_after = draw(0, 3);
    }
    return layer;
  }

  Layer join(const LayerGraph& graph, const std::vector<std::int64_t>& lengths,
             const std::set<std::size_t>& unread) {
    Layer layer{.name = "join", .kind = draw(0, 1) == 0 ? LayerKind::kAdd : LayerKind::kConcat};
    const std::size_t first = *unread.rbegin();
    layer.inputs = {first};
    for (std::size_t i = 0; i < graph.layers.size(); ++i)
      if (i != first && lengths[i] == lengths[first] && draw(0, 1) == 0) layer.inputs.push_back(i);
    return layer;
  }

  std::mt19937 random_;
};

PositionSet set_of(const std::vector<bool>& inputs) {
  std::vector<Interval> intervals;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i])
      intervals.push_back({static_cast<std::int64_t>(i), static_cast<std::int64_t>(i)});
  return PositionSet(std::move(intervals));
}

std::string describe(const LayerGraph& graph) {
  std::string text;
  for (const Layer& layer : graph.layers) {
    text += format_text("\n{} k{} s{} p{} d{} after {} reads", layer.kind, layer.taps.kernel,
                        layer.taps.stride, layer.taps.padding, layer.taps.dilation,
                        layer.padding_after);
    for (const std::size_t input : layer.inputs) text += format_text(" {}", input);
  }
  return text;
}

TEST(RandomGraphs, AreAsFollowedTapByTap) {
  Graphs graphs(7);
  int joins = 0, holes = 0, free_outputs = 0;
  for (int round = 0; round < 2500; ++round) {
    SCOPED_TRACE(round);
    const std::int64_t length = graphs.draw(6, 40);
    const LayerGraph graph = graphs.next(length);
    const std::vector<std::int64_t> lengths = layer_lengths(graph, length);
    const Row truth = propagate(graph, lengths);
    ASSERT_EQ(truth.size(), static_cast<std::size_t>(lengths.back()));
    const FreeOfPadding free = free_of_padding(graph, length);
    std::int64_t unpadded = 0;
    for (std::int64_t output = 0; output < lengths.back(); ++output) {
      const Dependence& one = truth[static_cast<std::size_t>(output)];
      const PositionSet expected = set_of(one.inputs);
      ASSERT_EQ(seen_inputs(graph, output, &lengths).runs(), expected.runs())
          << output << describe(graph);
      if (one.padding) continue;
      // Nothing beyond the ends matters, so it is as on an input without ends.
      ++unpadded;
      ASSERT_EQ(seen_inputs(graph, output).runs(), expected.runs()) << output << describe(graph);
      for (const Interval& run : expected.runs())
        for (const std::int64_t input : {run.low, run.high}) {
          const std::vector<Interval> reached = reached_outputs(graph, input).runs();
          EXPECT_TRUE(std::ranges::any_of(reached, [&](const Interval& outputs) {
            return outputs.low <= output && output <= outputs.high;
          }));
        }
      holes += expected.has_holes() ? 1 : 0;
    }
    EXPECT_EQ(free.free, unpadded);
    EXPECT_EQ(free.outputs, lengths.back());
    free_outputs += unpadded > 0 ? 1 : 0;
    joins += std::ranges::any_of(graph.layers, [](const Layer& l) { return l.inputs.size() > 1; });
  }
  // The graphs are of every sort.
  EXPECT_GT(joins, 300);
  EXPECT_GT(holes, 300);
  EXPECT_GT(free_outputs, 1000);
}

// Every pair of an output and an input that it sees counts once from either side, and the view repeats
// after a period.
TEST(RandomGraphs, SeeAsMuchAsTheyReach) {
  Graphs graphs(8);
  for (int round = 0; round < 1000; ++round) {
    SCOPED_TRACE(round);
    const LayerGraph graph = graphs.next(graphs.draw(6, 40));
    const ReceptiveField field = receptive_field(graph);
    const auto period = static_cast<double>(field.period);
    EXPECT_NEAR(field.size.mean * period,
                field.influence.mean * period / field.outputs_per_input.value(), 1e-6);
    const std::int64_t shift =
        field.period / field.outputs_per_input.numerator * field.outputs_per_input.denominator;
    for (std::int64_t output = 0; output < std::min<std::int64_t>(field.period, 4); ++output) {
      std::vector<Interval> moved = seen_inputs(graph, output).runs();
      for (Interval& run : moved) run = {run.low + shift, run.high + shift};
      EXPECT_EQ(seen_inputs(graph, output + field.period).runs(), moved);
    }
    std::int64_t phases = 0;
    for (const PhaseField& phase : field.phases) phases += phase.last - phase.first + 1;
    EXPECT_EQ(phases, field.period);
  }
}

}  // namespace
}  // namespace ddpm
