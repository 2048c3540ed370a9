// Carries sets of positions through all layers of a graph. Private to architecture/.
#pragma once

#include <cstdint>
#include <vector>

#include "ddpm/architecture/layer_graph.h"
#include "ddpm/architecture/position_set.h"
#include "ddpm/architecture/receptive_field.h"

namespace ddpm {

class Propagation {
 public:
  explicit Propagation(const LayerGraph& graph) : graph_(graph), sets_(graph.layers.size()) {}

  // The positions of each layer's result that these outputs depend on. With `lengths` the positions
  // beyond the ends of a result are left out. The result is valid until the next call. Throws
  // ConfigError if positions become larger than kMaxPosition, or if all calls together take too long.
  const std::vector<PositionSet>& back(Interval outputs,
                                       const std::vector<std::int64_t>* lengths = nullptr);

  // The positions of each layer's result that depend on these inputs.
  const std::vector<PositionSet>& forward(Interval inputs);

 private:
  enum class Direction { kBack, kForward };

  // kBack: the positions of a layer's input that these of its result read; kForward: those of its result
  // that read these of its input.
  PositionSet carried(const Layer& layer, const PositionSet& set, Direction direction);
  void check(std::size_t layer) const;
  void merge(PositionSet& set, const PositionSet& more);

  const LayerGraph& graph_;
  std::vector<PositionSet> sets_;
  Work work_;  // of all calls so far
};

// See ReceptiveField::period. Throws ConfigError if it is too large.
std::int64_t common_period(const std::vector<Fraction>& spacings);

// The path on which the receptive field grows most.
std::vector<PathStep> widest_path(const LayerGraph& graph, const std::vector<Fraction>& spacings);

}  // namespace ddpm
