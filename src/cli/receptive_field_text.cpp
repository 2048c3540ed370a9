// What `ddpm inspect --receptive-field` prints for people.
#include <map>

#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "inspect_receptive_field.h"
#include "receptive_field_words.h"

namespace ddpm::cli {
namespace {

// "26 to 27 frames, 26.453125 on average (301.9 to 313.5 ms)".
std::string counts_text(const Json& counts, const std::string& unit) {
  const Json &least = counts.at("minimum"), &most = counts.at("maximum");
  std::string text = range(least, most) + " " + unit + (least == most && most == 1 ? "" : "s");
  if (least != most) text += ", " + number(counts.at("mean")) + " on average";
  if (!counts.contains("mean_ms")) return text;
  const auto ms = [&](const char* key) {
    return format_text("{:.1f}", counts.at(key).get<double>());
  };
  const std::string first = ms("minimum_ms"), last = ms("maximum_ms");
  return text + " (" + (first == last ? last : first + " to " + last) + " ms)";
}

std::string line(const std::string& key, const std::string& value) {
  return format_text("  {:<22} {}\n", key, value);
}

std::string period_text(const Json& period, const Units& units) {
  return format_text("{}: {} before that of the first {}, {} after that of the last",
                     many(period.at("size"), units.input), number(period.at("left")), units.output,
                     number(period.at("right")));
}

std::string influence_text(const Json& influence, const Units& units) {
  std::string text = counts_text(influence, units.output);
  if (influence.contains("first"))
    text += format_text("; {} 0 changes {} to {}", units.input, number(influence.at("first")),
                        number(influence.at("last")));
  return text;
}

std::string segment_text(const Json& segment, const Units& units) {
  std::string text =
      format_text("{} of {} ({:.1f} %) of an input of {}", number(segment.at("free_of_padding")),
                  many(segment.at("outputs"), units.output),
                  100 * segment.at("share").get<double>(), many(segment.at("inputs"), units.input));
  if (segment.contains("first"))
    text += format_text(": {} to {}", number(segment.at("first")), number(segment.at("last")));
  return text;
}

std::string axis_text(const Json& axis, const Units& units) {
  std::string text = "\n" +
                     printable(join(axis.at("axes").get<std::vector<std::string>>(), " and ")) +
                     (axis.at("axes").size() > 1 ? ", each:\n" : ":\n");
  text += line("one " + units.output + " sees",
               counts_text(axis.at("one_output"), units.input) +
                   (axis.at("holes") == true ? ", with holes between them" : ""));
  if (axis.at("period") != 1)
    text += line(units.period + " see", period_text(axis.at("whole_period"), units));
  text += line("one " + units.input + " changes", influence_text(axis.at("one_input"), units));
  if (axis.contains("segment"))
    text += line("free of padding", segment_text(axis.at("segment"), units));
  if (axis.contains("seen_as_a_whole")) {
    const Json& whole = axis.at("seen_as_a_whole");
    text += line("whole inputs are seen",
                 format_text("by every {} up to {}, by at least one up to {}", units.output,
                             many(whole.at("by_every_output"), units.input),
                             many(whole.at("by_some_output"), units.input)));
  }
  if (axis.contains("naive_recipe"))
    text +=
        line("naive recipe", many(axis.at("naive_recipe"), units.input) +
                                 " by the recipe that divides by strides and forgets kernels of "
                                 "transposed convolutions");
  return text + receptive_field_tables(axis, units);
}

// "group norm (51 layers), attention (6 layers: down.1.0 attention, ...)".
std::string global_text(const Json& layers) {
  std::map<std::string, std::vector<std::string>> kinds;
  for (const Json& layer : layers)
    kinds[layer.at("kind").get<std::string>()].push_back(layer.at("name").get<std::string>());
  std::vector<std::string> texts;
  for (const auto& [kind, names] : kinds)
    texts.push_back(
        format_text("{} ({})", kind, counted(static_cast<std::int64_t>(names.size()), "layer")));
  return join(texts, ", ", " and ");
}

}  // namespace

std::string receptive_field_text(const Json& result) {
  Units units = {.input = printable(result.at("input_unit").get<std::string>()),
                 .output = printable(result.at("output_unit").get<std::string>()),
                 .period = {}};
  std::string text = format_text("{}, {}\n", result.at("network").get<std::string>(),
                                 counted(result.at("layers").get<std::int64_t>(), "layer"));
  if (result.at("sees_everything") == true)
    text += format_text("Every {} sees the whole input, through {}. By convolutions alone:\n",
                        units.output, global_text(result.at("global_layers")));
  for (const Json& axis : result.at("axes")) {
    units.period = many(axis.at("period"), units.output);
    text += axis_text(axis, units);
  }
  return text;
}

}  // namespace ddpm::cli
