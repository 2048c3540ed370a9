#include "ddpm/runs/run_directory.h"

#include <algorithm>
#include <chrono>
#include <ctime>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/base/version.h"
#include "ddpm/config/difference.h"
#include "ddpm/config/loader.h"
#include "ddpm/formats/json.h"
#include "ddpm/metrics/tensorboard.h"
#include "ddpm/runs/checkpoint_store.h"

namespace ddpm {
namespace {

constexpr const char* kLock = "lock";

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

// --resume takes a checkpoint, but the run or its folder of checkpoints is as likely to be named.
void refuse_folder_of_checkpoints(const fs::path& wish) {
  for (const fs::path& folder : {wish / "checkpoints", wish}) {
    if (!is_folder(folder)) continue;
    if (const std::vector<fs::path> list = CheckpointStore(folder).list(); !list.empty())
      throw ConfigError(
          format_text("--resume: '{}' holds checkpoints; name one of them, such as '{}', or use "
                      "--resume auto, which takes the newest of the run that the config names",
                      shown(wish), shown(list.back())));
  }
}

}  // namespace

RunDirectory::RunDirectory(const Config& config)
    : path_(fs::path(config.run.directory) / config.run.name) {}

fs::path RunDirectory::samples(std::int64_t step) const {
  return path_ / "samples" / (checkpoint_name(step) + ".png");
}

std::optional<fs::path> RunDirectory::find_checkpoint(const std::string& wish) const {
  if (wish != "auto" && wish != "latest") {
    refuse_folder_of_checkpoints(wish);
    verify_checkpoint(wish);
    return fs::path(wish);
  }
  const CheckpointStore store(checkpoints());
  std::optional<fs::path> newest = store.newest();
  if (!newest && wish == "latest")
    throw CheckpointError("--resume latest: no complete checkpoint in '" + checkpoints().string() +
                          "'");
  // The user may want to rescue the damaged checkpoints, so the run never starts from nothing here.
  if (!newest && !store.list().empty())
    throw CheckpointError("--resume auto: every checkpoint in '" + checkpoints().string() +
                          "' is damaged. Repair one and name it with --resume PATH, or start again "
                          "from nothing with --overwrite");
  return newest;
}

std::optional<FileLock> RunDirectory::lock_existing() const {
  if (!is_folder(path_)) return std::nullopt;
  return FileLock(path_ / kLock);
}

FileLock RunDirectory::create_and_lock() const {
  make_directories(path_);
  FileLock lock(path_ / kLock);
  require_empty();  // another process may have used it before we got the lock
  return lock;
}

void RunDirectory::require_empty() const {
  const std::optional<FileInfo> info = file_info(path_);
  const auto counts = [](const fs::path& entry) { return entry.filename() != kLock; };
  const bool is_file = info && !info->is_folder;
  if (!is_file && std::ranges::none_of(list_folder(path_), counts)) return;
  throw ConfigError("the run directory '" + path_.string() +
                    "' is not empty. Continue it with --resume auto, replace it with --overwrite, "
                    "or choose another name with --set run.name=NAME");
}

void RunDirectory::clear() const {
  // Only known names are deleted: a mistyped run.name must not delete another folder's files.
  std::error_code error;
  for (const fs::path& part : {config(), path_ / "environment.json", metrics(), log(), loss_plot(),
                               path_ / "samples", checkpoints()})
    fs::remove_all(part, error);
  for (const fs::directory_entry& entry : fs::directory_iterator(path_, error))
    if (is_tensorboard_file(entry.path())) fs::remove(entry.path(), error);
}

// A crash may leave unfinished files beside those that they should have become.
void RunDirectory::remove_leftovers() const {
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (const fs::path& file : {config(), path_ / "environment.json", metrics(), loss_plot()})
    leftovers.emplace_back(file.string() + ".tmp");
  for (const fs::directory_entry& entry : fs::directory_iterator(path_ / "samples", error))
    if (entry.path().string().ends_with(".png.tmp")) leftovers.push_back(entry.path());
  for (const fs::path& leftover : leftovers) fs::remove(leftover, error);
}

void RunDirectory::write_description(const Config& config,
                                     const RunEnvironment& environment) const {
  make_directories(path_);
  const VersionInfo& version = version_info();
  const nlohmann::ordered_json json = {{"command_line", environment.command_line},
                                       {"started", utc_now()},
                                       {"program", version.program},
                                       {"git_revision", version.git_revision},
                                       {"libtorch", version.libtorch},
                                       {"cuda", version.cuda},
                                       {"compiler", version.compiler},
                                       {"device", environment.device},
                                       {"data_source", environment.data_source},
                                       {"data_images", environment.data_images},
                                       {"data_fingerprint", environment.data_fingerprint}};
  remove_leftovers();
  write_file_atomically(this->config(), to_json(config));
  write_file_atomically(path_ / "environment.json", dump_json(json, 2) + "\n");
}

fs::path run_directory(const Config& config) { return RunDirectory(config).path(); }

fs::path newest_run(const fs::path& runs) {
  std::optional<fs::path> newest;
  std::chrono::system_clock::time_point newest_time;
  for (const fs::path& run : list_folder(runs)) {
    if (run.filename() == kLostAndFound) continue;
    const std::optional<FileInfo> latest = file_info(run / "checkpoints" / "latest");
    if (!latest) continue;
    if (!newest || latest->modified > newest_time) newest = run, newest_time = latest->modified;
  }
  if (!newest)
    throw CheckpointError("no trained run below '" + runs.string() +
                          "'; train one (`ddpm train --config FILE`) or name a model with --model");
  return *newest;
}

void check_disk_space(const RunDirectory& directory, const Config& config,
                      std::int64_t parameters) {
  const TrainingConfig& training = config.training;
  // A checkpoint has weights, two moments and the average, four bytes each.
  const double size = (training.ema_decay > 0 ? 16.0 : 12.0) * static_cast<double>(parameters);
  const auto kept =
      static_cast<double>(training.keep_checkpoints + (training.keep_best ? 1 : 0) + 1);
  const auto present = static_cast<double>(CheckpointStore(directory.checkpoints()).list().size());
  const double needed = size * std::max(kept - present, 1.0);
  const auto free = static_cast<double>(free_disk_bytes(directory.path()));
  if (free < needed)
    throw IoError(format_text(
        "not enough space for '{}': its checkpoints (training.keep_checkpoints = {}, and one being "
        "written) need {} more, but {} are free. Free some, keep fewer or choose another "
        "run.directory",
        directory.path().string(), training.keep_checkpoints, format_bytes(needed),
        format_bytes(free)));
}

void check_resumable(const TrainingState& state, const Config& now,
                     const std::string& data_fingerprint) {
  Config saved = state.config;
  // Runs before classes had names do not know theirs.
  if (saved.data.class_names.empty()) saved.data.class_names = now.data.class_names;
  if (!state.data_fingerprint.empty() && state.data_fingerprint != data_fingerprint)
    log_warning(
        "the images have changed since the checkpoint; continuing with the new ones (not "
        "reproducible)");
  for (const Difference& d : free_differences(saved, now))
    log_info("changed since the checkpoint: {} from {} to {}", d.path, d.before, d.after);
  std::string refused;
  for (const Difference& d : frozen_differences(saved, now))
    refused += format_text("\n  {}: {} in the checkpoint, {} now", d.path, d.before, d.after);
  if (!refused.empty())
    throw ConfigError("--resume: these keys cannot change within a run:" + refused +
                      "\nStart a new run for them (--set run.name=NAME)");
}

}  // namespace ddpm
