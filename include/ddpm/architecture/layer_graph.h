// The layers of a network along one axis, described by integers only: what a receptive field
// depends on. Channels, weights and activations are left out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ddpm/architecture/position_set.h"
#include "ddpm/base/choice.h"

namespace ddpm {

// What a layer does with positions.
enum class LayerKind {
  kInput,
  kConvolution,  // also pooling, which has the same taps
  kTransposed,   // a transposed convolution
  kNearest,      // every position is repeated
  kAdd,          // sum, mean or product of inputs, position by position
  kConcat,       // channels of inputs side by side
  kGlobal,       // every output sees the whole axis: attention, a norm over space
  kPoint         // every output sees its own position: an activation, a 1x1 convolution, dropout
};
constexpr auto choice_names(LayerKind) {
  return name_list("input", "conv", "transposed_conv", "nearest", "add", "concat", "global",
                   "point");
}

struct Layer {
  std::string name;
  LayerKind kind = LayerKind::kPoint;
  Taps taps = {};  // of a (transposed) convolution; kNearest: kernel = stride = the factor
  std::int64_t padding_after = 0;   // on the right: zeros of a convolution, what a transposed
                                    // convolution cuts off
  std::int64_t output_padding = 0;  // of a transposed convolution: more positions on the right
  std::vector<std::size_t> inputs;  // indices of earlier layers
  bool inner = false;               // a step inside a block, which tables leave out
  std::string note = {};            // of a global layer: "attention", "group norm"
};

// Layer 0 is the only input of the network, every other layer reads earlier ones, and the last is
// the output, which every layer contributes to.
struct LayerGraph {
  std::vector<Layer> layers;

  // Appends the layer and returns its index.
  std::size_t add(Layer layer);
};

// A convolution of stride 1 that keeps the length, for odd kernels.
Layer same_convolution(std::string name, std::size_t input, std::int64_t kernel,
                       std::int64_t dilation = 1);

// One axis, or several that are alike.
struct AxisGraph {
  std::vector<std::string> names;  // "time"; "height", "width"
  LayerGraph graph;
  std::int64_t length = 0;  // usual length of the input: a training segment, an image; 0: unknown
};

// A whole network.
struct NetworkGraph {
  std::string network;                  // "UNet"
  std::string input_unit = "position";  // "frame", "pixel"; the plural has an s
  std::string output_unit = "position";
  double inputs_per_second = 0;  // 0: the input has no rate
  std::vector<AxisGraph> axes;
};

// A positive fraction in lowest terms.
struct Fraction {
  std::int64_t numerator = 1;
  std::int64_t denominator = 1;

  double value() const { return static_cast<double>(numerator) / static_cast<double>(denominator); }
  bool operator==(const Fraction&) const = default;
};

// The distance between neighbours on the grid of each layer's result, in positions of the output.
// Throws ConfigError that names the layer if it joins inputs of different resolutions, or if
// strides multiply to more than kMaxPosition.
std::vector<Fraction> grid_spacings(const LayerGraph& graph);

// How many positions each layer's result has if the input has `length`. Throws ConfigError that
// names the layer if nothing is left, or if inputs that are joined differ in length.
std::vector<std::int64_t> layer_lengths(const LayerGraph& graph, std::int64_t length);

// Reads a graph that a user wrote (docs/receptive-field.md), of one axis or more. `origin` names
// the text in messages. Throws ConfigError that names the key.
NetworkGraph read_layer_graph(std::string_view text, const std::string& origin);

}  // namespace ddpm
