// Checkpoints of a run: folders that are complete or absent.
//
//   checkpoints/step_00010000/   model, ema and optimizer .safetensors, state.json, MANIFEST.json
//   checkpoints/latest           one line: the name of the newest complete checkpoint
//   checkpoints/best             one line: the name of a checkpoint to keep whatever its age;
//                                optional
//
// A checkpoint is written beside its final name, MANIFEST.json (sizes and SHA-256 of the other
// files) last. Everything is synced, read back and compared, then the folder is renamed, and only
// then `latest` changes. So a crash at any moment leaves the older checkpoint in place. One process
// writes a run, from one thread at a time; others may read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ddpm {

// The checkpoints that prune() keeps.
struct Retention {
  std::int64_t newest = 1;  // how many of the newest, at least one
  std::int64_t every = 0;   // those whose step is divisible by this; 0: none
};

class CheckpointStore {
 public:
  // `folder` is the run's checkpoints/; it need not exist yet.
  explicit CheckpointStore(std::filesystem::path folder);

  // Calls `write_files(path)` to fill a new folder, makes it the newest checkpoint and returns its
  // path. A checkpoint of the same step is replaced. At every moment its name stands for the old or
  // the new one, if the file system can exchange names (else recover() brings the old one back).
  // Throws IoError, CheckpointError if the files read back differently, and whatever write_files
  // throws. The earlier checkpoints are then unchanged.
  std::filesystem::path save(std::int64_t step,
                             const std::function<void(const std::filesystem::path&)>& write_files);

  // The newest undamaged checkpoint: the one that `latest` names, else that of the highest step.
  // Damaged ones are skipped with a warning. Returns nullopt if there is none. Throws AccessError
  // if one cannot be read for another reason, such as missing permission: it may be whole.
  std::optional<std::filesystem::path> newest() const;

  // The checkpoint saved last: the one that `latest` names, else that of the highest step. Contents
  // are not verified, so this is fast. Throws AccessError.
  std::optional<std::filesystem::path> last() const;

  // For a message about another error: `present` and the path of the newest checkpoint, `absent`,
  // or why the checkpoints cannot be read. Throws nothing for what lies on the disk.
  std::string describe_newest(const std::string& present, const std::string& absent) const;

  // The checkpoint that set_best named, if it still exists. It is never pruned. Throws AccessError.
  std::optional<std::filesystem::path> best() const;
  // Throws IoError.
  void set_best(const std::filesystem::path& checkpoint);

  // Deletes the complete checkpoints that `retention` and `best` do not keep, and files that
  // crashes left behind. What cannot be deleted stays. Without a readable `latest` nothing is
  // deleted.
  void prune(const Retention& retention);

  // Complete checkpoints, ascending by step. Contents are not verified. Throws AccessError.
  std::vector<std::filesystem::path> list() const;

 private:
  void put_in_place(const std::filesystem::path& temporary, const std::string& name);
  // Checkpoints with a temporary name, which were being replaced when the process died.
  std::vector<std::filesystem::path> displaced() const;
  // Gives those checkpoints their names back.
  void recover();
  void remove_leftovers();

  std::filesystem::path folder_;
};

// "step_00010000".
std::string checkpoint_name(std::int64_t step);

// How much of a checkpoint is compared with its manifest.
enum class Verification { kContents, kSizes };

// Compares every file of a checkpoint with its manifest, which must list model, optimizer, state
// and every other .safetensors file in the folder. Throws CheckpointError naming the file and the
// difference, and AccessError if a file cannot be read for another reason.
void verify_checkpoint(const std::filesystem::path& checkpoint,
                       Verification verification = Verification::kContents);

}  // namespace ddpm
