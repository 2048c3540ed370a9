// Checkpoints of a run: folders that are complete or absent.
//
//   checkpoints/step_00010000/   model, ema and optimizer .safetensors, state.json, MANIFEST.json
//   checkpoints/latest           one line: the name of the newest complete checkpoint
//
// A checkpoint is written beside its final name; MANIFEST.json (sizes and SHA-256 of the other
// files) is written last; everything is synced, read back and compared, the folder renamed, and
// only then `latest` changes. So a crash at any moment leaves the older checkpoint in place. Not
// thread-safe; one process writes a run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ddpm {

class CheckpointStore {
 public:
  // `folder` is the run's checkpoints/; it need not exist yet.
  explicit CheckpointStore(std::filesystem::path folder);

  // Calls `write_files(path)` to fill a new folder, makes it the newest checkpoint and returns its
  // path. A checkpoint of the same step is replaced. Throws IoError; CheckpointError if what was
  // written reads back differently.
  std::filesystem::path save(std::int64_t step,
                             const std::function<void(const std::filesystem::path&)>& write_files);

  // The newest checkpoint that verifies: what `latest` names, else the highest step. Damaged ones
  // are skipped with a warning. None: nullopt.
  std::optional<std::filesystem::path> newest() const;

  // Deletes all but the `keep` newest complete checkpoints, and leftovers of crashes.
  void prune(std::int64_t keep);

  // Complete checkpoints, ascending by step. Contents are not verified.
  std::vector<std::filesystem::path> list() const;

 private:
  std::filesystem::path folder_;
};

// "step_00010000".
std::string checkpoint_name(std::int64_t step);

// Compares every file of a checkpoint with its manifest. Throws CheckpointError naming the file and
// what differs.
void verify_checkpoint(const std::filesystem::path& checkpoint);

}  // namespace ddpm
