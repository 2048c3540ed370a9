#include "ddpm/training/run_directory.h"

#include <ctime>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/log.h"
#include "ddpm/base/version.h"
#include "ddpm/config/difference.h"
#include "ddpm/config/loader.h"
#include "ddpm/io/checkpoint.h"
#include "ddpm/training/state.h"

namespace ddpm {
namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

}  // namespace

RunDirectory::RunDirectory(const Config& config)
    : path_(fs::path(config.run.directory) / config.run.name) {}

fs::path RunDirectory::samples(std::int64_t step) const {
  return path_ / "samples" / (checkpoint_name(step) + ".png");
}

std::optional<fs::path> RunDirectory::find_checkpoint(const std::string& wish) const {
  if (wish != "auto" && wish != "latest") {
    verify_checkpoint(wish);
    return fs::path(wish);
  }
  std::optional<fs::path> newest = CheckpointStore(checkpoints()).newest();
  if (!newest && wish == "latest")
    throw CheckpointError("--resume latest: no complete checkpoint in '" + checkpoints().string() +
                          "'");
  return newest;
}

void RunDirectory::require_empty() const {
  std::error_code error;
  if (!fs::exists(path_, error) || fs::is_empty(path_, error)) return;
  throw ConfigError("the run directory '" + path_.string() +
                    "' is not empty. Continue it with --resume auto, replace it with --overwrite, "
                    "or choose another name with "
                    "--set run.name=NAME");
}

void RunDirectory::clear() const {
  // By name: a mistyped run.name must not delete somebody's folder.
  std::error_code error;
  for (const fs::path& part : {config(), path_ / "environment.json", metrics(), log(), loss_plot(),
                               path_ / "samples", checkpoints()})
    fs::remove_all(part, error);
}

void RunDirectory::write_description(const Config& config, const Prepared& prepared,
                                     const std::string& command_line) const {
  make_directories(path_);
  const VersionInfo& version = version_info();
  const nlohmann::ordered_json environment = {{"command_line", command_line},
                                              {"started", utc_now()},
                                              {"program", version.program},
                                              {"git_revision", version.git_revision},
                                              {"libtorch", version.libtorch},
                                              {"cuda", version.cuda},
                                              {"compiler", version.compiler},
                                              {"device", prepared.runtime.description},
                                              {"data_source", prepared.images.info().source},
                                              {"data_images", prepared.images.count()},
                                              {"data_fingerprint", prepared.images.fingerprint()}};
  write_file_atomically(this->config(), to_json(config));
  write_file_atomically(path_ / "environment.json", environment.dump(2) + "\n");
}

void check_resumable(const fs::path& checkpoint, const Config& now) {
  const Config saved = read_training_state(checkpoint).config;
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
