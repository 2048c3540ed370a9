// The checkpoints of a run: when one is due, how it is begun, and how it ended. Private to this
// folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "ddpm/base/stopwatch.h"
#include "ddpm/config/config.h"
#include "ddpm/runs/checkpoint_saver.h"
#include "ddpm/runs/run_directory.h"
#include "ddpm/training/trainer.h"
#include "run_log.h"

namespace ddpm {

// Copies the trainer's state between two steps and lets another thread write it. What cannot be
// saved is reported and tried again; only the last checkpoint must succeed.
class RunCheckpoints {
 public:
  // The references must outlive this object. `environment` is written if the directory has to be
  // made again. `saved_step`: of the checkpoint that the trainer was loaded from, if any.
  RunCheckpoints(const Config& config, const RunDirectory& directory, RunEnvironment environment,
                 Trainer& trainer, RunLog& log, std::optional<std::int64_t> saved_step);

  // Reports the save that has ended and begins one if it is due: by steps, by time, after a failure
  // or because somebody asked. Throws NonFiniteError as Trainer::snapshot does.
  void after_step();

  // Saves the state as it is now, unless it is saved already, and waits. Throws NonFiniteError, and
  // CheckpointError if it cannot be saved.
  void save_last();

  // The newest complete checkpoint, once the save under way has ended.
  std::optional<std::filesystem::path> newest();

  // Seconds that saves have held training up in this process.
  double held_seconds() const { return held_seconds_; }

 private:
  bool due();
  void start();
  void report(const SaveResult& result);
  void bring_back_directory();

  const Config& config_;
  const RunDirectory& directory_;
  RunEnvironment environment_;
  Trainer& trainer_;
  RunLog& log_;
  std::optional<std::int64_t> saved_step_;  // of the newest complete checkpoint
  TrainingTotals begun_;                    // when the last one was begun
  Stopwatch since_begun_;
  std::optional<Stopwatch> since_failure_;  // of the last one, if it failed
  double held_seconds_ = 0;
  CheckpointSaver saver_;  // last: destroyed first, it waits for the save, which uses the others
};

}  // namespace ddpm
