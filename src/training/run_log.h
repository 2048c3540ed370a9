// What a run records during training: metrics.jsonl, TensorBoard's events, the plot of the loss and
// the progress bar. Private to this folder.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "ddpm/base/error.h"
#include "ddpm/base/log.h"
#include "ddpm/base/progress.h"
#include "ddpm/base/stopwatch.h"
#include "ddpm/config/config.h"
#include "ddpm/evaluation/scores.h"
#include "ddpm/metrics/jsonl.h"
#include "ddpm/metrics/tensorboard.h"
#include "ddpm/runs/run_directory.h"
#include "ddpm/training/trainer.h"

namespace ddpm {

// Does work that training does not depend on: a full disk, for example, must not end training.
template <class Work>
void attempt(const Work& work) {
  try {
    work();
  } catch (const IoError& error) {
    log_error("{}. Training goes on without it", error.what());
  }
}

class RunLog {
 public:
  // Opens the files. The trainer must be at the step where this process begins. The references must
  // outlive the log. Throws IoError.
  RunLog(const Config& config, const RunDirectory& directory, const Trainer& trainer,
         ProgressStyle style);

  // Opens the files again, after the directory was created again. Throws IoError.
  void reopen();

  // Adds the metrics of the trainer's step. `now`: its totals; `saving_seconds`: how long training
  // has waited for saves in this process. Warns of steps that were skipped since the last line.
  // `scores` are those of the step's images, if they were measured.
  void add_line(const TrainingTotals& now, double saving_seconds,
                std::span<const Score> scores = {});
  // Adds a PNG file, the grid of images of the trainer's step, to the events. Throws IoError.
  void add_samples(const std::filesystem::path& png);

  // Whether show_progress would show anything now. If not, there is no need to wait for the totals.
  bool progress_due() const;
  void show_progress(const TrainingTotals& now);
  // Removes the progress bar from the terminal, so that other lines can be printed.
  void clear_progress() { progress_.clear(); }

  // Syncs the metrics to disk, so that they survive a crash of the machine, and plots the loss. May
  // be called in another thread, but not during reopen().
  void save();

  // The clock of training, which is paused during previews and saves.
  void pause_clock() { watch_.pause(); }
  void resume_clock() { watch_.resume(); }
  double images_per_second() const;  // mean over this process, by that clock

  // "The last losses logged were 0.031, 0.030. ", or nothing.
  std::string recent_losses() const;

 private:
  void save_loss_plot() const;

  const Config& config_;
  const RunDirectory& directory_;
  const Trainer& trainer_;
  std::int64_t first_step_;  // the step at which this process began
  Progress progress_;
  std::unique_ptr<MetricsWriter> metrics_;
  std::unique_ptr<TensorboardWriter> events_;  // null: no events are written
  TrainingTotals logged_;                      // the totals at the last line
  std::deque<double> recent_losses_;           // the losses of the last few lines
  Stopwatch watch_;
};

}  // namespace ddpm
