// Receptive fields: which inputs can change an output, exactly, for any graph of layers.
//
// The theoretical receptive field depends on the layers' taps alone. It is that of an input without
// ends, unless a function says otherwise, and global layers count as if each position saw only
// itself (global_layers lists them): with one of them an output sees everything. Definitions are in
// docs/receptive-field.md. All functions throw ConfigError for graphs whose strides, positions or
// number of phases are beyond what can be computed within moments.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ddpm/architecture/layer_graph.h"
#include "ddpm/architecture/position_set.h"

namespace ddpm {

// A number of positions that depends on where one looks.
struct CountRange {
  std::int64_t minimum = 0;
  std::int64_t maximum = 0;
  double mean = 0;
};

// What is seen from the outputs first..last of a period, which see alike.
struct PhaseField {
  std::int64_t first = 0, last = 0;
  std::int64_t size = 0;  // inputs seen; `left + 1 + right` if there are no holes
  // Inputs before and after the output's own position, which is rounded down to an input. Both are
  // 0 if the size is.
  std::int64_t left = 0, right = 0;
};

// The view from and to the result of one layer.
struct LayerField {
  Fraction outputs_per_position;
  CountRange one_output;    // its positions that one output sees
  std::int64_t period = 0;  // those that a whole period of outputs sees
  CountRange one_input;     // those that one input reaches
};

// A layer on the widest path from the input to the output.
struct PathStep {
  std::size_t layer = 0;
  // The input by which the path comes, if there is a choice.
  std::optional<std::size_t> branch;
};

struct ReceptiveField {
  Fraction outputs_per_input;
  // Outputs o and o + period see alike, only shifted: the smallest number of outputs that is a
  // whole number of positions on the grid of every layer.
  std::int64_t period = 1;
  CountRange size;                 // inputs that one output sees, over a period
  std::vector<PhaseField> phases;  // ascending, neighbours that see alike together
  PhaseField whole_period;  // seen by a whole period of neighbours; left of its first output,
                            // right of its last one
  CountRange influence;     // outputs that one input can change
  Interval reach;           // the first and last of them, of input 0
  bool has_holes = false;   // whether an output skips inputs between others that it sees
  std::vector<LayerField> layers;     // of every layer of the graph
  std::vector<PathStep> widest_path;  // from the input to the output
};

ReceptiveField receptive_field(const LayerGraph& graph);

// The positions of each layer's result that these outputs can depend on.
std::vector<PositionSet> seen_positions(const LayerGraph& graph, Interval outputs);

// The input positions that the output can depend on. With `lengths` (layer_lengths) the input has
// ends: zeros beyond the ends of each layer's result depend on nothing.
PositionSet seen_inputs(const LayerGraph& graph, std::int64_t output,
                        const std::vector<std::int64_t>* lengths = nullptr);

// The output positions that can depend on the input.
PositionSet reached_outputs(const LayerGraph& graph, std::int64_t input);

// The outputs of an input of some length that are as they would be in the middle of a longer one,
// because nothing that they see is padding, in any layer.
struct FreeOfPadding {
  std::int64_t inputs = 0;
  std::int64_t outputs = 0;  // how many there are in all
  std::int64_t free = 0;     // how many of them see no padding
  Interval hull;             // the first and last of these
};
FreeOfPadding free_of_padding(const LayerGraph& graph, std::int64_t inputs);

// The largest length of the input, with ends, that is seen as a whole: by every output, and by at
// least one. Lengths are multiples of the period; 0 if no such length is. Nothing for networks
// whose outputs are not exactly as many as their inputs at these lengths.
struct WholeLengths {
  std::int64_t every_output = 0;
  std::int64_t some_output = 0;
};
std::optional<WholeLengths> whole_lengths(const LayerGraph& graph);

// The layers of the kind kGlobal.
std::vector<std::size_t> global_layers(const LayerGraph& graph);

// The number that a common recipe gives instead: it walks back from one output, adds d(k-1) for
// each convolution, divides by the stride of a transposed one without regard to its kernel, and
// takes the largest branch. It is wrong behind transposed convolutions.
double naive_receptive_field(const LayerGraph& graph);

}  // namespace ddpm
