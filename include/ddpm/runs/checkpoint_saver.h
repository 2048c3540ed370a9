// Writes checkpoints in a separate thread, so that training waits only while its state is copied.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <optional>
#include <string>

#include "ddpm/config/choices.h"
#include "ddpm/runs/checkpoint_store.h"

namespace ddpm {

// How a save ended.
struct SaveResult {
  std::int64_t step = 0;
  std::filesystem::path path;  // the checkpoint; empty if it could not be saved
  std::string error;           // the reason, if it could not be saved
  double seconds = 0;

  bool saved() const { return !path.empty(); }
};

// To be called from one thread. At most one save runs at a time.
class CheckpointSaver {
 public:
  // The best checkpoint by the criterion, as state.json tells it, is kept whatever its age. Without a
  // criterion none is.
  CheckpointSaver(CheckpointStore store, Retention retention, std::optional<Criterion> best_by);
  ~CheckpointSaver();  // waits for a running save
  CheckpointSaver(const CheckpointSaver&) = delete;
  CheckpointSaver& operator=(const CheckpointSaver&) = delete;

  // Starts a save in another thread: it calls `write_files(folder)` and then prunes. No other save
  // may be running.
  void start(std::int64_t step, std::function<void(const std::filesystem::path&)> write_files);

  bool busy() const { return pending_.valid(); }

  // The result of a save that has ended since the last call, if there is one.
  std::optional<SaveResult> poll();
  // Waits for the running save, if there is one, and returns its result.
  std::optional<SaveResult> wait();

 private:
  SaveResult save(std::int64_t step,
                  const std::function<void(const std::filesystem::path&)>& write_files);
  void choose_best(const std::filesystem::path& saved, Criterion criterion);

  CheckpointStore store_;
  Retention retention_;
  std::optional<Criterion> best_by_;
  std::future<SaveResult> pending_;
};

}  // namespace ddpm
