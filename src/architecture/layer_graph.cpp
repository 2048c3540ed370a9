#include "ddpm/architecture/layer_graph.h"

#include <numeric>
#include <optional>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"

namespace ddpm {
namespace {

std::string quoted(const Layer& layer) { return "'" + shorten(layer.name) + "'"; }

// numerator * factor / divisor; nothing if it becomes too large. `factor` is at most kMaxPosition, the
// divisor may be as large.
std::optional<Fraction> scaled(Fraction value, std::int64_t factor, std::int64_t divisor) {
  const std::int64_t a = std::gcd(factor, value.denominator);
  const std::int64_t b = std::gcd(divisor, value.numerator);
  value = {value.numerator / b, value.denominator / a};
  factor /= a;
  divisor /= b;
  const std::int64_t common = std::gcd(factor, divisor);
  factor /= common;
  divisor /= common;
  if (value.numerator > kMaxPosition / factor || value.denominator > kMaxPosition / divisor)
    return std::nullopt;
  return Fraction{value.numerator * factor, value.denominator * divisor};
}

// "one per 2 input positions" of a distance in input positions.
std::string density(const Fraction& spacing) {
  if (spacing.numerator == 1)
    return format_text("{} for each position of the input", spacing.denominator);
  return format_text("{} for {} positions of the input", spacing.denominator, spacing.numerator);
}

// The distance on the grid of one layer in positions of the input, from those of earlier layers.
Fraction spacing_from_input(const LayerGraph& graph, const Layer& layer,
                            const std::vector<Fraction>& spacings) {
  if (layer.kind == LayerKind::kInput) return {};
  const std::size_t first = layer.inputs.front();
  const Fraction spacing = spacings[first];
  for (const std::size_t input : layer.inputs)
    if (spacings[input] != spacing)
      throw ConfigError(
          format_text("layer {} joins inputs of different resolutions: {} has {}, {} has {}",
                      quoted(layer), quoted(graph.layers[first]), density(spacing),
                      quoted(graph.layers[input]), density(spacings[input])));
  const bool upsamples = layer.kind == LayerKind::kTransposed || layer.kind == LayerKind::kNearest;
  const std::optional<Fraction> result =
      upsamples ? scaled(spacing, 1, layer.taps.stride) : scaled(spacing, layer.taps.stride, 1);
  if (!result)
    throw ConfigError(format_text("layer {}: the strides up to here multiply to more than {}",
                                  quoted(layer), kMaxPosition));
  return *result;
}

std::int64_t length_after(const Layer& layer, std::int64_t length) {
  const Taps& taps = layer.taps;
  switch (layer.kind) {
    case LayerKind::kConvolution:
      return floor_division(length + taps.padding + layer.padding_after - taps.reach() - 1,
                            taps.stride) +
             1;
    case LayerKind::kTransposed:
      return (length - 1) * taps.stride - taps.padding - layer.padding_after + taps.reach() +
             layer.output_padding + 1;
    case LayerKind::kNearest:
      return length * taps.stride;
    case LayerKind::kInput:
    case LayerKind::kAdd:
    case LayerKind::kConcat:
    case LayerKind::kGlobal:
    case LayerKind::kPoint:
      return length;
  }
  return length;
}

}  // namespace

std::size_t LayerGraph::add(Layer layer) {
  layers.push_back(std::move(layer));
  return layers.size() - 1;
}

Layer same_convolution(std::string name, std::size_t input, std::int64_t kernel,
                       std::int64_t dilation) {
  const std::int64_t padding = dilation * (kernel - 1) / 2;
  return {.name = std::move(name),
          .kind = LayerKind::kConvolution,
          .taps = {.kernel = kernel, .padding = padding, .dilation = dilation},
          .padding_after = padding,
          .inputs = {input}};
}

std::vector<Fraction> grid_spacings(const LayerGraph& graph) {
  std::vector<Fraction> spacings;
  for (const Layer& layer : graph.layers)
    spacings.push_back(spacing_from_input(graph, layer, spacings));
  const Fraction output = spacings.back();
  for (std::size_t i = 0; i < spacings.size(); ++i) {
    const std::optional<Fraction> relative =
        scaled(spacings[i], output.denominator, output.numerator);
    if (!relative)
      throw ConfigError(format_text("layer {}: the strides from here multiply to more than {}",
                                    quoted(graph.layers[i]), kMaxPosition));
    spacings[i] = *relative;
  }
  return spacings;
}

std::vector<std::int64_t> layer_lengths(const LayerGraph& graph, std::int64_t length) {
  std::vector<std::int64_t> lengths;
  for (const Layer& layer : graph.layers) {
    if (layer.kind == LayerKind::kInput) {
      lengths.push_back(length);
      continue;
    }
    const std::size_t first = layer.inputs.front();
    for (const std::size_t input : layer.inputs)
      if (lengths[input] != lengths[first])
        throw ConfigError(format_text(
            "an input of length {} does not fit this network: layer {} joins {}, of length {}, and "
            "{}, of length {}",
            length, quoted(layer), quoted(graph.layers[first]), lengths[first],
            quoted(graph.layers[input]), lengths[input]));
    lengths.push_back(length_after(layer, lengths[first]));
    if (lengths.back() < 1 || lengths.back() > kMaxPosition)
      throw ConfigError(format_text(
          "an input of length {} does not fit this network: the result of layer {} would have length "
          "{}",
          length, quoted(layer), lengths.back()));
  }
  return lengths;
}

}  // namespace ddpm
