#include "run_records.h"

#include <utility>

#include "ddpm/base/log.h"
#include "ddpm/base/stopwatch.h"
#include "ddpm/base/text.h"

namespace ddpm {

RunEnvironment environment_of(const Prepared& prepared, const RunOptions& options) {
  return {.command_line = options.command_line,
          .device = prepared.runtime.description,
          .data_source = prepared.images.info().source,
          .data_images = prepared.images.count(),
          .data_fingerprint = prepared.images.fingerprint()};
}

RunRecords::RunRecords(const Config& config, const Prepared& prepared,
                       const RunDirectory& directory, const RunOptions& options,
                       const Evaluator* evaluator, Trainer& trainer, bool resumed,
                       std::function<bool()> must_end)
    : config_(config),
      training_(config.training),
      directory_(directory),
      group_(options.group),
      trainer_(trainer),
      must_end_(std::move(must_end)),
      preview_(training_.sample_every > 0 ? std::make_optional<Preview>(config, prepared.runtime)
                                          : std::nullopt),
      evaluator_(evaluator),
      log_(config, directory, trainer, options.progress),
      checkpoints_(config, directory, environment_of(prepared, options), trainer, log_,
                   resumed ? std::optional(trainer.steps_done()) : std::nullopt) {}

void RunRecords::after_step() {
  const bool last = trainer_.steps_done() == training_.steps;
  const auto due = [&](std::int64_t interval) {
    return last || trainer_.steps_done() % interval == 0;
  };
  // totals() waits for the device, so that the clock includes all steps when it is read.
  std::vector<Score> scores;
  if (evaluator_ != nullptr && due(config_.evaluation.every)) scores = evaluate();
  if (due(training_.log_every) || !scores.empty())
    log_.add_line(trainer_.totals(), checkpoints_.held_seconds(), scores);
  if (log_.progress_due()) log_.show_progress(trainer_.totals());
  if (preview_ && due(training_.sample_every)) save_samples();
  checkpoints_.after_step(scores);
}

void RunRecords::pause_for(const std::function<void()>& work) {
  log_.clear_progress();
  static_cast<void>(trainer_.totals());  // waits for the device
  log_.pause_clock();
  if (group_ != nullptr) group_->report(trainer_.steps_done(), /*working=*/false);
  attempt(work);
}

void RunRecords::save_samples() {
  const fs::path path = directory_.samples(trainer_.steps_done());
  pause_for([&] {
    const Stopwatch drawing;
    if (!preview_->write(trainer_, path, must_end_)) return;
    log_info("samples {} ({:.1f} s)", path.string(), drawing.seconds());
    log_.add_samples(path);
  });
}

std::vector<Score> RunRecords::evaluate() {
  std::vector<Score> scores;
  pause_for([&] {
    const Stopwatch watch;
    scores = evaluator_->evaluate(trainer_, must_end_);
    if (scores.empty()) return;
    std::vector<std::string> texts;
    for (const Score& score : scores)
      texts.push_back(format_text("{} {:.4g}", score.name, score.value));
    log_info("step {}: {} ({:.1f} s)", trainer_.steps_done(), join(texts), watch.seconds());
  });
  return scores;
}

void RunRecords::finish() {
  log_.clear_progress();
  checkpoints_.save_last();
}

std::string RunRecords::what_was_before() {
  return log_.recent_losses() +
         checkpoints_.describe_newest("The last good checkpoint is ", "There is no checkpoint yet");
}

}  // namespace ddpm
