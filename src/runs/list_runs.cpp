#include "ddpm/runs/list_runs.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <functional>
#include <string_view>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/config/loader.h"
#include "ddpm/runs/checkpoint_store.h"
#include "ddpm/runs/training_state.h"

namespace ddpm {
namespace {

bool is_run(const fs::path& path) {
  try {
    return is_folder(path) &&
           (path_exists(path / "checkpoints") || path_exists(path / "metrics.jsonl"));
  } catch (const AccessError&) {
    return true;  // it may be one, and its row says why nothing is known
  }
}

std::uint64_t bytes_below(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  constexpr auto kSkip = fs::directory_options::skip_permission_denied;
  fs::recursive_directory_iterator it(folder, kSkip, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    std::error_code gone;
    if (!it->is_regular_file(gone) || it->is_symlink(gone)) continue;
    const std::uint64_t size = it->file_size(gone);
    if (!gone) bytes += size;
  }
  return bytes;
}

// Takes step and loss from the last line that has both. A line that a crash cut short is no JSON.
void read_last_metrics(const fs::path& file, RunSummary& run) {
  constexpr std::size_t kTail = 1 << 16;
  if (!path_exists(file)) return;
  const MappedFile map(file);
  std::string_view text(reinterpret_cast<const char*>(map.bytes().data()), map.bytes().size());
  if (text.size() > kTail) text.remove_prefix(text.size() - kTail);
  while (!text.empty()) {
    const std::size_t end = text.find_last_not_of('\n');
    if (end == std::string_view::npos) return;
    text = text.substr(0, end + 1);
    const std::size_t start = text.rfind('\n') + 1;  // npos + 1 is 0
    const auto line =
        nlohmann::json::parse(text.substr(start), nullptr, /*allow_exceptions=*/false);
    text = text.substr(0, start);
    if (!line.is_object() || !line.contains("step") || !line.contains("loss")) continue;
    if (!line["step"].is_number_unsigned() || !line["loss"].is_number()) continue;
    run.step = line["step"].get<std::int64_t>();
    run.loss = line["loss"].get<double>();
    return;
  }
}

void read_newest_checkpoint(const fs::path& checkpoints, RunSummary& run) {
  const std::optional<fs::path> last = CheckpointStore(checkpoints).last();
  if (!last) return;
  run.saved = file_info(*last).value_or(FileInfo{}).modified;
  if (const auto manifest = file_info(*last / "MANIFEST.json")) run.saved = manifest->modified;
  verify_checkpoint(*last, Verification::kSizes);
  const TrainingState state = read_training_state(*last);
  run.step = std::max(run.step.value_or(0), state.step);
  if (!run.loss) run.loss = state.loss;
  if (!run.steps) run.steps = state.config.training.steps;
}

// Does one part of the work; what goes wrong is the run's problem, and the other parts follow.
void attempt(RunSummary& run, const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& error) {
    if (run.problem.empty()) run.problem = error.what();
  }
}

RunSummary summarize(const fs::path& path) {
  RunSummary run{.path = path};
  attempt(run, [&] { run.steps = load_config(path / "config.json", {}).config.training.steps; });
  attempt(run, [&] { read_last_metrics(path / "metrics.jsonl", run); });
  attempt(run, [&] { read_newest_checkpoint(path / "checkpoints", run); });
  run.disk_bytes = bytes_below(path);
  return run;
}

}  // namespace

std::vector<RunSummary> list_runs(const fs::path& folder) {
  std::vector<RunSummary> runs;
  if (path_exists(folder / "config.json") && is_run(folder)) return {summarize(folder)};
  for (const fs::path& path : list_folder(folder))
    if (path.filename() != kLostAndFound && is_run(path)) runs.push_back(summarize(path));
  std::ranges::stable_sort(runs, {}, &RunSummary::saved);  // no date is before every date
  return runs;
}

}  // namespace ddpm
