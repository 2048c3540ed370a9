#include "run_checkpoints.h"

#include <cmath>
#include <system_error>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/log.h"
#include "ddpm/base/signals.h"
#include "ddpm/training/snapshot.h"

namespace ddpm {
namespace {

constexpr double kSecondsToRetry = 60;  // after a save that failed

}  // namespace

RunCheckpoints::RunCheckpoints(const Config& config, const RunDirectory& directory,
                               RunEnvironment environment, Trainer& trainer, RunLog& log,
                               std::optional<std::int64_t> saved_step)
    : config_(config),
      directory_(directory),
      environment_(std::move(environment)),
      trainer_(trainer),
      log_(log),
      saved_step_(saved_step),
      saver_(CheckpointStore(directory.checkpoints()),
             {.newest = config.training.keep_checkpoints, .every = config.training.keep_every},
             config.training.keep_best ? std::optional(config.evaluation.best_by) : std::nullopt) {}

void RunCheckpoints::after_step(std::span<const Score> scores) {
  scores_.assign(scores.begin(), scores.end());
  if (const auto result = saver_.poll()) report(*result);
  if (due()) start();
}

bool RunCheckpoints::due() {
  const TrainingConfig& training = config_.training;
  const bool asked = take_save_request();
  const bool by_steps =
      training.checkpoint_every > 0 && trainer_.steps_done() % training.checkpoint_every == 0;
  const bool by_time =
      training.checkpoint_minutes > 0 && since_begun_.seconds() >= 60 * training.checkpoint_minutes;
  const bool again = since_failure_ && since_failure_->seconds() >= kSecondsToRetry;
  return asked || by_steps || by_time || again;
}

// Copies the state and lets another thread do the rest.
void RunCheckpoints::start() {
  log_.clear_progress();
  const TrainingTotals now = trainer_.totals();  // waits for steps, which is no cost of saving
  log_.pause_clock();
  const Stopwatch held;
  if (const auto result = saver_.wait()) report(*result);
  std::error_code error;
  if (fs::status(directory_.path(), error).type() == fs::file_type::not_found)
    bring_back_directory();
  const std::int64_t step = trainer_.steps_done();
  if (saved_step_ == step) return;
  const double waited = held.seconds();
  TrainerSnapshot snapshot = trainer_.snapshot();
  const double loss = now.mean_loss_since(begun_);
  if (std::isfinite(loss)) snapshot.state.loss = loss;
  const Criterion criterion = config_.evaluation.best_by;
  for (const Score& score : scores_)
    if (score.name == name_of(criterion))
      snapshot.state.score = CheckpointScore{criterion, score.value};
  saver_.start(step, [this, snapshot = std::move(snapshot)](const fs::path& folder) {
    log_.save();
    write_snapshot(snapshot, folder);
  });
  held_seconds_ += held.seconds();
  log_debug(
      "the save of step {} made training wait {:.3f} s, {:.3f} s of them until the previous save "
      "was written; all saves so far: {:.3f} s",
      step, held.seconds(), waited, held_seconds_);
  begun_ = now;
  since_begun_ = {};
  since_failure_.reset();
}

void RunCheckpoints::report(const SaveResult& result) {
  log_.clear_progress();
  if (result.saved()) {
    saved_step_ = result.step;
    log_info("checkpoint {} ({:.1f} s)", result.path.string(), result.seconds);
    return;
  }
  since_failure_ = Stopwatch();
  log_error(
      "the checkpoint of step {} could not be saved: {}. Training goes on; the next attempt "
      "follows within a minute",
      result.step, result.error);
}

// Creates the run directory again after something removed it. No save may be running.
void RunCheckpoints::bring_back_directory() {
  log_error(
      "the run directory '{}' has vanished with its checkpoints and metrics; it is created again",
      directory_.path().string());
  saved_step_.reset();
  attempt([&] {
    directory_.write_description(config_, environment_);
    log_.reopen();
  });
}

void RunCheckpoints::save_last() {
  if (const auto result = saver_.wait()) report(*result);
  start();
  const std::optional<SaveResult> result = saver_.wait();
  if (!result) return;  // the state was already saved
  if (result->saved()) return report(*result);
  throw CheckpointError(format_text("the last checkpoint, of step {}, could not be saved: {}. {}",
                                    result->step, result->error,
                                    describe_newest("The newest one is ", "There is no other")));
}

std::string RunCheckpoints::describe_newest(const std::string& present, const std::string& absent) {
  static_cast<void>(saver_.wait());
  return CheckpointStore(directory_.checkpoints()).describe_newest(present, absent);
}

}  // namespace ddpm
