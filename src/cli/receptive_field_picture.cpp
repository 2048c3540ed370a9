// The picture of `ddpm inspect --receptive-field`.
#include <algorithm>

#include "ddpm/architecture/receptive_field.h"
#include "ddpm/base/file.h"
#include "ddpm/base/text.h"
#include "ddpm/image/codec.h"
#include "ddpm/image/field_plot.h"
#include "inspect_receptive_field.h"

namespace ddpm::cli {
namespace {

std::string counts_text(std::int64_t least, std::int64_t most) {
  return least == most ? with_thousands(most)
                       : with_thousands(least) + " to " + with_thousands(most);
}

// "65 x 2 samples": one output sees 65 positions of a layer, which stand for 2 samples each.
std::string note_of(const LayerField& layer, const LayerGraph& graph, std::size_t index,
                    const NetworkGraph& network) {
  const std::string counts = counts_text(layer.one_output.minimum, layer.one_output.maximum);
  const bool plural = layer.one_output.maximum != 1;
  if (graph.layers[index].kind == LayerKind::kInput)
    return counts + " " + network.input_unit + (plural ? "s" : "");
  if (layer.outputs_per_position == Fraction{})
    return counts + " " + network.output_unit + (plural ? "s" : "");
  return format_text("{} x {:.6g} {}s", counts, layer.outputs_per_position.value(),
                     network.output_unit);
}

FieldPlot plot_of(const NetworkGraph& network) {
  const AxisGraph& axis = network.axes.front();
  const LayerGraph& graph = axis.graph;
  const ReceptiveField field = receptive_field(graph);
  const auto widest = std::ranges::max_element(field.phases, {}, &PhaseField::size);
  const std::vector<PositionSet> one = seen_positions(graph, {widest->first, widest->first});
  const std::vector<PositionSet> period = seen_positions(graph, {0, field.period - 1});

  FieldPlot plot{.title = format_text("{}: what one {} sees", network.network, network.output_unit),
                 .subtitle = format_text("{} of the input along {}",
                                         counts_text(field.size.minimum, field.size.maximum) + " " +
                                             network.input_unit + "s",
                                         join(axis.names, " or ")),
                 .inner_label = "one " + network.output_unit,
                 .x_label = network.input_unit + "s",
                 .rows = {}};
  if (field.period > 1)
    plot.outer_label = format_text("{} neighbouring {}s together: {} {}s",
                                   with_thousands(field.period), network.output_unit,
                                   with_thousands(field.whole_period.size), network.input_unit);
  if (network.inputs_per_second > 0)
    plot.subtitle +=
        format_text(", {:.1f} ms on average", 1000 * field.size.mean / network.inputs_per_second);
  if (!global_layers(graph).empty())
    plot.subtitle += "; by convolutions alone, without attention and norms";
  for (std::size_t i = graph.layers.size(); i-- > 0;) {
    if (graph.layers[i].inner) continue;
    const double scale =
        field.layers[i].outputs_per_position.value() / field.outputs_per_input.value();
    // A position covers the outputs up to the next one; an empty set stays empty.
    const auto left = [&](const PositionSet& set) {
      return static_cast<double>(set.hull().low) * scale;
    };
    const auto right = [&](const PositionSet& set) {
      return set.empty() ? -1 : static_cast<double>(set.hull().high + 1) * scale;
    };
    plot.rows.push_back({.name = graph.layers[i].name,
                         .note = note_of(field.layers[i], graph, i, network),
                         .left = left(one[i]),
                         .right = right(one[i]),
                         .outer_left = left(period[i]),
                         .outer_right = right(period[i])});
  }
  return plot;
}

}  // namespace

void check_picture_name(const std::filesystem::path& file) {
  if (file.extension() != ".png" && file.extension() != ".svg")
    throw ConfigError("--picture: the name must end with .svg or .png, not '" + shown(file) + "'");
}

void draw_receptive_field(const NetworkGraph& network, const std::filesystem::path& file) {
  check_picture_name(file);
  const FieldPlot plot = plot_of(network);
  if (file.extension() == ".svg")
    write_file_atomically(file, field_plot_svg(plot));
  else
    write_png(file, draw_field_plot(plot));
}

}  // namespace ddpm::cli
