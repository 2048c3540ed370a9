// What `ddpm inspect --receptive-field` computes, as JSON.
#include "ddpm/architecture/receptive_field.h"
#include "inspect_receptive_field.h"

namespace ddpm::cli {
namespace {

Json range_json(const CountRange& range, double inputs_per_second) {
  Json result = {{"minimum", range.minimum}, {"maximum", range.maximum}, {"mean", range.mean}};
  if (inputs_per_second > 0) {
    const double ms = 1000 / inputs_per_second;
    result["minimum_ms"] = static_cast<double>(range.minimum) * ms;
    result["maximum_ms"] = static_cast<double>(range.maximum) * ms;
    result["mean_ms"] = range.mean * ms;
  }
  return result;
}

Json phase_json(const PhaseField& phase) {
  return {{"first", phase.first},
          {"last", phase.last},
          {"left", phase.left},
          {"right", phase.right},
          {"size", phase.size}};
}

// The blocks and layers that tables show, from the output to the input.
Json layers_json(const LayerGraph& graph, const ReceptiveField& field) {
  Json result = Json::array();
  for (std::size_t i = graph.layers.size(); i-- > 0;) {
    if (graph.layers[i].inner) continue;
    const LayerField& layer = field.layers[i];
    result.push_back({{"name", graph.layers[i].name},
                      {"outputs_per_position", layer.outputs_per_position.value()},
                      {"one_output", range_json(layer.one_output, 0)},
                      {"whole_period", layer.period},
                      {"one_input", range_json(layer.one_input, 0)}});
  }
  return result;
}

// From the input to the output; `through` is the branch by which the path comes.
Json path_json(const LayerGraph& graph, const ReceptiveField& field) {
  Json result = Json::array();
  for (const PathStep& step : field.widest_path) {
    if (graph.layers[step.layer].inner) continue;
    Json entry = {{"layer", graph.layers[step.layer].name}};
    // That the path comes through a block's own layers says nothing.
    if (step.branch && !graph.layers[*step.branch].name.starts_with(graph.layers[step.layer].name))
      entry["through"] = graph.layers[*step.branch].name;
    result.push_back(entry);
  }
  return result;
}

Json segment_json(const LayerGraph& graph, std::int64_t length) {
  const FreeOfPadding free = free_of_padding(graph, length);
  Json result = {{"inputs", free.inputs},
                 {"outputs", free.outputs},
                 {"free_of_padding", free.free},
                 {"share", static_cast<double>(free.free) / static_cast<double>(free.outputs)}};
  if (free.free > 0) {
    result["first"] = free.hull.low;
    result["last"] = free.hull.high;
  }
  return result;
}

Json axis_json(const AxisGraph& axis, std::optional<std::int64_t> segment, bool naive,
               double inputs_per_second) {
  const ReceptiveField field = receptive_field(axis.graph);
  Json result = {{"axes", axis.names},
                 {"outputs_per_input", field.outputs_per_input.value()},
                 {"period", field.period},
                 {"one_output", range_json(field.size, inputs_per_second)},
                 {"whole_period", phase_json(field.whole_period)},
                 {"phases", Json::array()},
                 {"one_input", range_json(field.influence, 0)},
                 {"holes", field.has_holes}};
  if (!field.reach.empty()) {
    result["one_input"]["first"] = field.reach.low;
    result["one_input"]["last"] = field.reach.high;
  }
  for (const PhaseField& phase : field.phases) result["phases"].push_back(phase_json(phase));
  if (const std::int64_t length = segment.value_or(axis.length); length > 0)
    result["segment"] = segment_json(axis.graph, length);
  if (const std::optional<WholeLengths> whole = whole_lengths(axis.graph))
    result["seen_as_a_whole"] = {{"by_every_output", whole->every_output},
                                 {"by_some_output", whole->some_output}};
  if (naive) result["naive_recipe"] = naive_receptive_field(axis.graph);
  result["layers"] = layers_json(axis.graph, field);
  result["widest_path"] = path_json(axis.graph, field);
  return result;
}

}  // namespace

Json describe_receptive_field(const NetworkGraph& network, std::optional<std::int64_t> segment,
                              bool naive) {
  const LayerGraph& graph = network.axes.front().graph;
  Json result = {{"network", network.network},
                 {"layers", graph.layers.size() - 1},
                 {"input_unit", network.input_unit},
                 {"output_unit", network.output_unit}};
  if (network.inputs_per_second > 0) result["inputs_per_second"] = network.inputs_per_second;
  result["global_layers"] = Json::array();
  for (const std::size_t layer : global_layers(graph))
    result["global_layers"].push_back(
        {{"name", graph.layers[layer].name}, {"kind", graph.layers[layer].note}});
  result["sees_everything"] = !result["global_layers"].empty();
  for (const AxisGraph& axis : network.axes)
    result["axes"].push_back(axis_json(axis, segment, naive, network.inputs_per_second));
  return result;
}

}  // namespace ddpm::cli
