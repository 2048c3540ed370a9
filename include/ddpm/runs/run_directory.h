// The directory of a run (docs/formats.md): where things lie, and how an existing one is met.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "ddpm/base/file_lock.h"
#include "ddpm/config/config.h"

namespace ddpm {

// What environment.json says beside the program's own version and the time.
struct RunEnvironment {
  std::string command_line;
  std::string device;       // in words (Runtime::description)
  std::string data_source;  // in words (ImageStore::info)
  std::int64_t data_images = 0;
  std::string data_fingerprint;  // ImageStore::fingerprint
};

class RunDirectory {
 public:
  // <run.directory>/<run.name>. Nothing is created.
  explicit RunDirectory(const Config& config);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config() const { return path_ / "config.json"; }
  std::filesystem::path metrics() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path log() const { return path_ / "train.log"; }
  std::filesystem::path loss_plot() const { return path_ / "loss.png"; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  // samples/step_00001000.png
  std::filesystem::path samples(std::int64_t step) const;

  // The checkpoint to continue from for --resume: "auto" (none if there is none), "latest" or a
  // checkpoint folder. Throws CheckpointError if an explicit one is missing or damaged, or all are.
  std::optional<std::filesystem::path> find_checkpoint(const std::string& wish) const;

  // Takes the directory for this process, if it exists / creates it, which must not exist with
  // anything in it. Throw ConfigError if another process has it, and IoError.
  std::optional<FileLock> lock_existing() const;
  FileLock create_and_lock() const;

  // Throws ConfigError, naming the ways out, unless the directory is absent or empty.
  void require_empty() const;

  // Deletes what an earlier run left, and nothing else.
  void clear() const;

  // Creates the directory, cleans up after a crash and writes config.json and environment.json
  // (command line, versions, device, data).
  void write_description(const Config& config, const RunEnvironment& environment) const;

 private:
  void remove_leftovers() const;

  std::filesystem::path path_;
};

// runs/NAME.
std::filesystem::path run_directory(const Config& config);

// The newest run below `runs` that has a complete checkpoint. Throws CheckpointError if there is
// none.
std::filesystem::path newest_run(const std::filesystem::path& runs);

// Throws IoError, with what is needed and what there is, unless the checkpoints to be kept and one
// more fit the disk. `parameters` are the network's.
void check_disk_space(const RunDirectory& directory, const Config& config, std::int64_t parameters);

// Throws ConfigError if `now` differs from the config saved in the checkpoint in a key that defines
// the result; logs the others that differ, and warns if the images do.
void check_resumable(const std::filesystem::path& checkpoint, const Config& now,
                     const std::string& data_fingerprint);

}  // namespace ddpm
