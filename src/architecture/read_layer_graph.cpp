// Reads the layer graph of a user (docs/receptive-field.md).
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "ddpm/architecture/layer_graph.h"
#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/json.h"
#include "graph_keys.h"
#include "sort_layers.h"

namespace ddpm {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxLayers = 10'000;
constexpr std::size_t kMaxAxes = 3, kMaxUnitBytes = 20;
constexpr double kMaxRate = 1e12;
constexpr std::int64_t kMaxLength = std::int64_t{1} << 30;

// The kinds that a layer can be of: all but the input.
std::vector<std::string> kind_names() {
  std::vector<std::string> names;
  for (const LayerKind kind : kChoices<LayerKind>)
    if (kind != LayerKind::kInput) names.emplace_back(name_of(kind));
  return names;
}

LayerKind read_kind(GraphKeys& keys) {
  const std::string name = keys.text("type", "");
  if (name.empty()) keys.fail("type", "is missing; it is one of " + join(kind_names()));
  const std::optional<LayerKind> kind = parse_choice<LayerKind>(name);
  if (!kind || kind == LayerKind::kInput) {
    const std::string guess = nearest(name, kind_names());
    keys.fail("type", format_text("is '{}', which is no type of a layer; choose from {}{}",
                                  shorten(name), join(kind_names()),
                                  guess.empty() ? "" : "; did you mean '" + guess + "'?"));
  }
  return *kind;
}

// Sets the numbers of a convolution or transposed convolution.
void read_taps(GraphKeys& keys, WrittenLayer& layer) {
  const std::size_t axes = layer.by_axis.size();
  const auto kernel = keys.integers("kernel", axes, std::nullopt, 1, kMaxTap);
  const auto stride = keys.integers("stride", axes, 1, 1, kMaxTap);
  const auto dilation = keys.integers("dilation", axes, 1, 1, kMaxTap);
  const auto padding = keys.integers("padding", axes, 0, 0, kMaxTap);
  const auto after = keys.integers("padding_after", axes, -1, 0, kMaxTap);
  std::vector<std::int64_t> output_padding(axes, 0);
  if (layer.kind == LayerKind::kTransposed)
    output_padding = keys.integers("output_padding", axes, 0, 0, kMaxTap);
  for (std::size_t axis = 0; axis < axes; ++axis) {
    Layer& one = layer.by_axis[axis];
    one.taps = {kernel[axis], stride[axis], padding[axis], dilation[axis]};
    one.padding_after = after[axis] < 0 ? padding[axis] : after[axis];
    one.output_padding = output_padding[axis];
  }
}

void read_factor(GraphKeys& keys, WrittenLayer& layer) {
  const auto factor = keys.integers("factor", layer.by_axis.size(), std::nullopt, 1, kMaxTap);
  for (std::size_t axis = 0; axis < factor.size(); ++axis)
    layer.by_axis[axis].taps = {.kernel = factor[axis], .stride = factor[axis]};
}

// `before`: the name of the layer before it, which it reads if it names no input.
WrittenLayer read_layer(const json& value, const std::string& origin, std::size_t index,
                        std::size_t axes, const std::string& before) {
  WrittenLayer layer{.path = format_text("layers[{}]", index),
                     .name = {},
                     .inputs = {},
                     .by_axis = std::vector<Layer>(axes)};
  GraphKeys keys(value, origin, layer.path);
  layer.name = keys.text("name", format_text("layer {}", index));
  layer.kind = read_kind(keys);
  layer.inputs = keys.texts("input", {before});
  switch (layer.kind) {
    case LayerKind::kConvolution:
    case LayerKind::kTransposed:
      read_taps(keys, layer);
      break;
    case LayerKind::kNearest:
      read_factor(keys, layer);
      break;
    case LayerKind::kGlobal:
      for (Layer& one : layer.by_axis) one.note = "global layer";
      break;
    case LayerKind::kInput:
    case LayerKind::kAdd:
    case LayerKind::kConcat:
    case LayerKind::kPoint:
      break;
  }
  const bool may_join = layer.kind == LayerKind::kAdd || layer.kind == LayerKind::kConcat;
  if (!may_join && layer.inputs.size() > 1)
    keys.fail("input",
              format_text("lists {} layers, but a layer of type {} has one input; join them "
                          "with an add or concat layer before",
                          layer.inputs.size(), layer.kind));
  keys.refuse_unknown(format_text("a layer of type {}", layer.kind));
  return layer;
}

LayerGraph graph_of_axis(const std::vector<WrittenLayer>& layers,
                         const std::vector<std::size_t>& order, const LayerSorter& sorter,
                         const std::string& input, std::size_t axis) {
  LayerGraph graph;
  graph.add({.name = input, .kind = LayerKind::kInput, .inputs = {}});
  std::vector<std::size_t> place(layers.size(), 0);  // in the graph
  for (const std::size_t i : order) {
    Layer layer = layers[i].by_axis[axis];
    layer.name = layers[i].name;
    layer.kind = layers[i].kind;
    for (const std::string& name : layers[i].inputs)
      layer.inputs.push_back(name == input ? 0 : place[sorter.index_of(name)]);
    place[i] = graph.add(std::move(layer));
  }
  return graph;
}

json parse(std::string_view text, const std::string& origin) {
  try {
    return parse_json(text, origin, JsonComments::kIgnored);
  } catch (const CheckpointError& error) {  // the file is the user's own
    throw ConfigError(error.what());
  }
}

}  // namespace

NetworkGraph read_layer_graph(std::string_view text, const std::string& origin) {
  const json document = parse(text, origin);
  GraphKeys keys(document, origin, "");
  NetworkGraph network{.network = "layer graph", .axes = {}};
  for (const auto& [key, unit] : {std::pair("input_unit", &network.input_unit),
                                  std::pair("output_unit", &network.output_unit)}) {
    *unit = keys.text(key, *unit);
    if (unit->size() > kMaxUnitBytes)
      keys.fail(key, format_text("must be a word of at most {} bytes", kMaxUnitBytes));
  }
  network.inputs_per_second = keys.number("inputs_per_second", 0, kMaxRate);
  const std::vector<std::string> axes = keys.texts("axes", {"axis"});
  if (axes.size() > kMaxAxes ||
      std::set<std::string>(axes.begin(), axes.end()).size() < axes.size())
    keys.fail("axes", format_text("must be up to {} different names", kMaxAxes));
  const auto lengths = keys.integers("length", axes.size(), 0, 1, kMaxLength);
  const std::string input = keys.text("input", "input");

  const json* list = keys.find("layers");
  if (list == nullptr || !list->is_array() || list->empty() || list->size() > kMaxLayers)
    keys.fail("layers", format_text("must be a list of 1 to {} layers", kMaxLayers));
  std::vector<WrittenLayer> layers;
  for (std::size_t i = 0; i < list->size(); ++i)
    layers.push_back(read_layer((*list)[i], origin, i, axes.size(),
                                layers.empty() ? input : layers.back().name));
  const std::string output = keys.text("output", layers.back().name);
  keys.refuse_unknown("a layer graph");

  LayerSorter sorter(layers, input, origin);
  const std::vector<std::size_t> order = sorter.order(output);
  for (std::size_t axis = 0; axis < axes.size(); ++axis) {
    network.axes.push_back({.names = {axes[axis]},
                            .graph = graph_of_axis(layers, order, sorter, input, axis),
                            .length = lengths[axis]});
    try {
      static_cast<void>(grid_spacings(network.axes.back().graph));
    } catch (const ConfigError& error) {
      throw ConfigError(origin + ": " + error.what());
    }
  }
  return network;
}

}  // namespace ddpm
