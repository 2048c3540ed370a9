#include "ddpm/runs/list_runs.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "command.h"
#include "ddpm/base/file.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/json.h"
#include "json_text.h"

namespace ddpm::cli {
namespace {

struct RunsOptions {
  std::string folder;
  bool json = false;
};

// In the words of strftime; UTC if `utc`, else the time of this place.
std::string time_text(std::chrono::system_clock::time_point time, const char* pattern, bool utc) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  utc ? ::gmtime_r(&seconds, &parts) : ::localtime_r(&seconds, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, pattern, &parts)};
}

template <class Value>
Json or_null(const std::optional<Value>& value) {
  return value ? Json(*value) : Json();
}

Json describe(const RunSummary& run) {
  const bool is_finite = run.loss && std::isfinite(*run.loss);  // JSON has no other numbers
  return {{"name", run.path.filename().string()},
          {"path", run.path.string()},
          {"step", or_null(run.step)},
          {"steps", or_null(run.steps)},
          {"loss", is_finite ? Json(*run.loss) : Json()},
          {"saved", run.saved ? Json(time_text(*run.saved, "%Y-%m-%dT%H:%M:%SZ", true)) : Json()},
          {"disk_bytes", run.disk_bytes},
          {"problem", run.problem.empty() ? Json() : Json(run.problem)}};
}

using Row = std::vector<std::string>;

Row cells(const RunSummary& run) {
  const auto count = [](const std::optional<std::int64_t>& value) {
    return value ? with_thousands(*value) : std::string("?");
  };
  return {shown(run.path.filename()),
          count(run.step) + " / " + count(run.steps),
          run.loss ? format_text("{:.4f}", *run.loss) : "-",
          run.saved ? time_text(*run.saved, "%Y-%m-%d %H:%M", false) : "no checkpoint",
          format_bytes(static_cast<double>(run.disk_bytes)),
          printable(run.problem)};
}

// Columns as wide as their longest cell; the last one is not padded.
void print_table(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += row[i] + std::string(widths[i] - row[i].size() + 2, ' ');
    line.erase(line.find_last_not_of(' ') + 1);
    std::puts(line.c_str());
  }
}

ExitCode run_runs(const RunsOptions& options) {
  set_up_logging({});
  const std::string folder = options.folder.empty() ? RunConfig{}.directory : options.folder;
  if (!options.folder.empty() && !is_folder(folder))
    throw ConfigError("'" + printable(folder) + "' is no folder");
  const std::vector<RunSummary> runs = list_runs(folder);
  if (options.json) {
    Json list = Json::array();
    for (const RunSummary& run : runs) list.push_back(describe(run));
    std::puts(dump_json(list, 2).c_str());
    return ExitCode::kSuccess;
  }
  if (runs.empty()) {
    log_info("no runs in '{}'; ddpm train makes one", shown(folder));
    return ExitCode::kSuccess;
  }
  std::vector<Row> rows = {{"name", "step", "loss", "saved", "disk", ""}};
  for (const RunSummary& run : runs) rows.push_back(cells(run));
  print_table(rows);
  return ExitCode::kSuccess;
}

}  // namespace

void add_runs(CLI::App& program, Action& action) {
  auto options = std::make_shared<RunsOptions>();
  CLI::App* command = program.add_subcommand(
      "runs", "List runs: step, last loss, newest checkpoint, disk space; the newest last");
  command
      ->add_option("folder", options->folder,
                   format_text("Folder with run directories [{}]", RunConfig{}.directory))
      ->type_name("FOLDER");
  command->add_flag("--json", options->json,
                    "Print JSON: a list; what is unknown is null, times are UTC");
  command->footer(examples({"ddpm runs", "ddpm runs /data/runs --json"}));
  command->callback([&action, options] { action = [options] { return run_runs(*options); }; });
}

}  // namespace ddpm::cli
