// The checkpoints of a run: decides when one is due, starts saving it and reports the result.
// Private to this folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "ddpm/base/stopwatch.h"
#include "ddpm/config/config.h"
#include "ddpm/evaluation/scores.h"
#include "ddpm/runs/checkpoint_saver.h"
#include "ddpm/runs/run_directory.h"
#include "ddpm/training/trainer.h"
#include "run_log.h"

namespace ddpm {

// Copies the trainer's state between two steps and lets another thread write it. If a checkpoint
// cannot be saved, the error is logged and another one is tried later; only the last must succeed.
class RunCheckpoints {
 public:
  // The references must outlive this object. `environment` is written if the directory has to be
  // created again. `saved_step`: step of the checkpoint that the trainer was loaded from, if any.
  RunCheckpoints(const Config& config, const RunDirectory& directory, RunEnvironment environment,
                 Trainer& trainer, RunLog& log, std::optional<std::int64_t> saved_step);

  // Logs the result of a save that has ended, and starts one if it is due: by steps, by time, after
  // a failure or because of SIGUSR1. Throws NonFiniteError as Trainer::snapshot does.
  // `scores` are those of the step's images, if they were measured.
  void after_step(std::span<const Score> scores);

  // Saves the present state, unless it is already saved, and waits. Throws NonFiniteError, and
  // CheckpointError if the state cannot be saved.
  void save_last();

  // Waits for a running save; then CheckpointStore::describe_newest.
  std::string describe_newest(const std::string& present, const std::string& absent);

  // Seconds that training has waited for saves in this process.
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
  std::vector<Score> scores_;               // of this step's images
  std::optional<std::int64_t> saved_step_;  // step of the newest complete checkpoint
  TrainingTotals begun_;                    // the totals when the last save began
  Stopwatch since_begun_;
  std::optional<Stopwatch> since_failure_;  // set if the last save failed
  double held_seconds_ = 0;
  // The last member, so destroyed first: its destructor waits for a save, which uses the others.
  CheckpointSaver saver_;
};

}  // namespace ddpm
