// Checkpoints written in a thread of their own, so that training waits only while its state is
// copied.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <optional>
#include <string>

#include "ddpm/runs/checkpoint_store.h"

namespace ddpm {

// How a save ended.
struct SaveResult {
  std::int64_t step = 0;
  std::filesystem::path path;  // of the checkpoint; empty if it could not be saved
  std::string error;           // why not
  double seconds = 0;

  bool saved() const { return !path.empty(); }
};

// Called from one thread. One save is under way at a time.
class CheckpointSaver {
 public:
  // With `keep_best` the checkpoint of least loss (state.json) is kept whatever its age.
  CheckpointSaver(CheckpointStore store, Retention retention, bool keep_best);
  ~CheckpointSaver();  // waits
  CheckpointSaver(const CheckpointSaver&) = delete;
  CheckpointSaver& operator=(const CheckpointSaver&) = delete;

  // Begins to save what `write_files(folder)` writes, in another thread, then prunes. No other save
  // may be under way.
  void start(std::int64_t step, std::function<void(const std::filesystem::path&)> write_files);

  bool busy() const { return pending_.valid(); }

  // How the save ended, if one has ended since the last call.
  std::optional<SaveResult> poll();
  // Waits for the one under way, if there is one.
  std::optional<SaveResult> wait();

 private:
  SaveResult save(std::int64_t step,
                  const std::function<void(const std::filesystem::path&)>& write_files);
  void choose_best(const std::filesystem::path& saved);

  CheckpointStore store_;
  Retention retention_;
  bool keep_best_;
  std::future<SaveResult> pending_;
};

}  // namespace ddpm
