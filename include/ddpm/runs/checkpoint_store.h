// Checkpoints of a run: folders that are complete or absent.
//
//   checkpoints/step_00010000/   model, ema and optimizer .safetensors, state.json, MANIFEST.json
//   checkpoints/latest           one line: the name of the newest complete checkpoint
//   checkpoints/best             one line: the name of the one to keep whatever its age; optional
//
// A checkpoint is written beside its final name; MANIFEST.json (sizes and SHA-256 of the other
// files) is written last; everything is synced, read back and compared, the folder renamed, and
// only then `latest` changes. So a crash at any moment leaves the older checkpoint in place. One
// process writes a run, from one thread at a time; others may read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ddpm {

// Which checkpoints prune() leaves.
struct Retention {
  std::int64_t newest = 1;  // so many of the newest, at least one
  std::int64_t every = 0;   // those of steps divisible by this; 0: none
};

class CheckpointStore {
 public:
  // `folder` is the run's checkpoints/; it need not exist yet.
  explicit CheckpointStore(std::filesystem::path folder);

  // Calls `write_files(path)` to fill a new folder, makes it the newest checkpoint and returns its
  // path. A checkpoint of the same step is replaced; its name always stands for one of the two,
  // where the file system can exchange names (else recover() brings the old one back). Throws
  // IoError; CheckpointError if what was written reads back differently; what write_files throws.
  // The checkpoints there were are then untouched.
  std::filesystem::path save(std::int64_t step,
                             const std::function<void(const std::filesystem::path&)>& write_files);

  // The newest checkpoint that verifies: what `latest` names, else the highest step. Damaged ones
  // are skipped with a warning. None: nullopt.
  std::optional<std::filesystem::path> newest() const;

  // The checkpoint that set_best named, if it still exists. It is never pruned.
  std::optional<std::filesystem::path> best() const;
  // Throws IoError.
  void set_best(const std::filesystem::path& checkpoint);

  // Deletes the complete checkpoints that `retention` and `best` do not keep, and leftovers of
  // crashes. What cannot be deleted stays; without a readable `latest` everything does.
  void prune(const Retention& retention);

  // Complete checkpoints, ascending by step. Contents are not verified.
  std::vector<std::filesystem::path> list() const;

 private:
  void put_in_place(const std::filesystem::path& temporary, const std::string& name);
  // Checkpoints that were being replaced when the process died, under their other name.
  std::vector<std::filesystem::path> displaced() const;
  // Gives them their names back.
  void recover();
  void remove_leftovers();

  std::filesystem::path folder_;
};

// "step_00010000".
std::string checkpoint_name(std::int64_t step);

// Compares every file of a checkpoint with its manifest, which must list model, optimizer and state
// and every other .safetensors file there is. Throws CheckpointError naming the file and what
// differs.
void verify_checkpoint(const std::filesystem::path& checkpoint);

}  // namespace ddpm
