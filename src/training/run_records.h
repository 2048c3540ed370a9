// What a run does beside its steps: log lines, previews and checkpoints. Private to this folder.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ddpm/runs/run_directory.h"
#include "ddpm/training/prepare.h"
#include "ddpm/training/run.h"
#include "ddpm/training/trainer.h"
#include "evaluator.h"
#include "preview.h"
#include "run_checkpoints.h"
#include "run_log.h"

namespace ddpm {

RunEnvironment environment_of(const Prepared& prepared, const RunOptions& options);

// Of several processes, rank 0 has one.
class RunRecords {
 public:
  // The references must outlive this object, and `evaluator`, which may be null. `resumed`: the trainer was loaded from a checkpoint. `must_end` is asked
  // while a preview is drawn.
  RunRecords(const Config& config, const Prepared& prepared, const RunDirectory& directory,
             const RunOptions& options, const Evaluator* evaluator, Trainer& trainer, bool resumed,
             std::function<bool()> must_end);

  void before_step() { log_.resume_clock(); }
  // Throws as RunCheckpoints::after_step does.
  void after_step();
  // Saves the last checkpoint. Throws as RunCheckpoints::save_last does.
  void finish();

  // For a message about a diverged run: the last losses and the last good checkpoint.
  std::string what_was_before();
  double images_per_second() const { return log_.images_per_second(); }

 private:
  // Does work in which training pauses.
  void pause_for(const std::function<void()>& work);
  void save_samples();
  // The scores of this step's images; empty if that was stopped or failed.
  std::vector<Score> evaluate();

  const Config& config_;
  const TrainingConfig& training_;
  const RunDirectory& directory_;
  ProcessGroup* group_;
  Trainer& trainer_;
  std::function<bool()> must_end_;
  std::optional<Preview> preview_;
  const Evaluator* evaluator_;
  RunLog log_;
  RunCheckpoints checkpoints_;
};

}  // namespace ddpm
