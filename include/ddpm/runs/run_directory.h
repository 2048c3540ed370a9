// The directory of a run (docs/formats.md): the paths of its files, and what to do if it exists.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "ddpm/base/file_lock.h"
#include "ddpm/config/config.h"
#include "ddpm/runs/training_state.h"

namespace ddpm {

// The contents of environment.json, except the program's version and the time.
struct RunEnvironment {
  std::string command_line;
  std::string device;       // in words (Runtime::description)
  std::string data_source;  // in words (ImageStore::info)
  std::int64_t data_images = 0;
  std::string data_fingerprint;  // ImageStore::fingerprint
};

class RunDirectory {
 public:
  // The directory is <run.directory>/<run.name>. Nothing is created yet.
  explicit RunDirectory(const Config& config);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config() const { return path_ / "config.json"; }
  std::filesystem::path metrics() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path log() const { return path_ / "train.log"; }
  std::filesystem::path loss_plot() const { return path_ / "loss.png"; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  // samples/step_00001000.png
  std::filesystem::path samples(std::int64_t step) const;

  // The checkpoint that --resume asks for: "auto" (the newest, or none if there is none), "latest"
  // or a checkpoint folder. Throws CheckpointError if the checkpoint asked for is missing or
  // damaged, or if all are damaged.
  std::optional<std::filesystem::path> find_checkpoint(const std::string& wish) const;

  // Both lock the directory for this process. The first does nothing if it does not exist; the
  // second creates it, and it must be absent or empty. Throw ConfigError if another process has
  // locked it, and IoError.
  std::optional<FileLock> lock_existing() const;
  FileLock create_and_lock() const;

  // Throws ConfigError, saying what the user can do, unless the directory is absent or empty.
  void require_empty() const;

  // Deletes the files of an earlier run, and nothing else.
  void clear() const;

  // Creates the directory, removes files that a crash left behind, and writes config.json and
  // environment.json (command line, versions, device, data).
  void write_description(const Config& config, const RunEnvironment& environment) const;

 private:
  void remove_leftovers() const;

  std::filesystem::path path_;
};

// The path of the run: runs/NAME.
std::filesystem::path run_directory(const Config& config);

// The newest run below `runs` that has a complete checkpoint. Throws CheckpointError if there is
// none.
std::filesystem::path newest_run(const std::filesystem::path& runs);

// Throws IoError, with the space needed and the space free, unless the disk has room for the
// checkpoints to keep and one more. `parameters` is their number in the network.
void check_disk_space(const RunDirectory& directory, const Config& config, std::int64_t parameters);

// Compares `now` with the config saved in a checkpoint, whose state this is. Throws ConfigError if
// a key that must not change differs; logs other changes, and warns if the images have changed.
void check_resumable(const TrainingState& state, const Config& now,
                     const std::string& data_fingerprint);

}  // namespace ddpm
