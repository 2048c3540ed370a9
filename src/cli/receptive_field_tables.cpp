#include <algorithm>

#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "receptive_field_words.h"

namespace ddpm::cli {
namespace {

constexpr std::size_t kMaxPhases = 24;  // rows of the table

// Columns as wide as their longest cell; the first is left-aligned, the others are right-aligned.
std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const std::vector<std::string>& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const std::vector<std::string>& row : rows) {
    std::string one = "  " + format_text("{:<{}}", row[0], widths[0]);
    for (std::size_t i = 1; i < row.size(); ++i)
      one += "  " + format_text("{:>{}}", row[i], widths[i]);
    text += one + "\n";
  }
  return text;
}

std::string phases_text(const Json& axis, const Units& units) {
  const Json& phases = axis.at("phases");
  if (axis.at("period") == 1) return "";
  std::vector<std::vector<std::string>> rows = {
      {units.output + "s", units.input + "s before", "after", "seen"}};
  for (std::size_t i = 0; i < std::min(phases.size(), kMaxPhases); ++i) {
    const Json& p = phases[i];
    rows.push_back({range(p.at("first"), p.at("last")), number(p.at("left")), number(p.at("right")),
                    number(p.at("size"))});
  }
  std::string text = "\n" + table(rows);
  if (phases.size() > kMaxPhases)
    text += format_text("  ... and {} rows more; --json has all\n", phases.size() - kMaxPhases);
  return text;
}

std::string range_of(const Json& counts) {
  return range(counts.at("minimum"), counts.at("maximum"));
}

std::string layers_text(const Json& axis, const Units& units) {
  std::vector<std::vector<std::string>> rows = {
      {"layer", units.output + "s each", "one " + units.output + " sees", units.period + " see",
       "one " + units.input + " reaches"}};
  if (axis.at("period") == 1) rows.front()[3] = "-";
  for (const Json& layer : axis.at("layers"))
    rows.push_back({printable(shorten(layer.at("name").get<std::string>(), 40)),
                    number(layer.at("outputs_per_position")), range_of(layer.at("one_output")),
                    number(layer.at("whole_period")), range_of(layer.at("one_input"))});
  if (axis.at("period") == 1)
    for (std::vector<std::string>& row : rows) row.erase(row.begin() + 3);
  return "\n" + table(rows);
}

// Breaks the line where it becomes too long.
std::string path_text(const Json& axis) {
  constexpr std::size_t kMostSteps = 60, kWidth = 100;
  std::vector<std::string> steps;
  for (const Json& step : axis.at("widest_path")) {
    std::string text = shorten(step.at("layer").get<std::string>(), 40);
    if (step.contains("through"))
      text += " (by " + shorten(step.at("through").get<std::string>(), 40) + ")";
    steps.push_back(printable(text));
  }
  if (steps.size() > kMostSteps) {
    steps[kMostSteps / 2] = "...";
    steps.erase(steps.begin() + kMostSteps / 2 + 1, steps.end() - kMostSteps / 2);
  }
  std::string text = "\n", row = "  widest path:";
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::string step = (i > 0 ? " > " : " ") + steps[i];
    if (row.size() + step.size() > kWidth) {
      text += row + "\n";
      row = "   ";
    }
    row += step;
  }
  return text + row + "\n";
}

}  // namespace

std::string number(const Json& value) {
  const auto exact = value.get<double>();
  const auto whole = static_cast<long long>(exact);
  return exact == static_cast<double>(whole) ? with_thousands(whole)
                                             : format_text("{:.10g}", exact);
}

std::string many(const Json& count, const std::string& unit) {
  return number(count) + " " + unit + (count == 1 ? "" : "s");
}

std::string range(const Json& least, const Json& most) {
  return least == most ? number(most) : number(least) + " to " + number(most);
}

std::string receptive_field_tables(const Json& axis, const Units& units) {
  return phases_text(axis, units) + layers_text(axis, units) + path_text(axis);
}

}  // namespace ddpm::cli
