#include "ddpm/training/run.h"

#include <algorithm>

#include "ddpm/base/log.h"
#include "ddpm/base/log_files.h"
#include "ddpm/base/output.h"
#include "ddpm/base/signals.h"
#include "ddpm/base/stopwatch.h"
#include "ddpm/base/text.h"
#include "ddpm/config/describe.h"
#include "ddpm/metrics/jsonl.h"
#include "ddpm/nn/parameter_layout.h"
#include "ddpm/nn/unet.h"
#include "ddpm/runs/checkpoint_store.h"
#include "ddpm/runs/run_directory.h"
#include "ddpm/runs/training_state.h"
#include "ddpm/training/prepare.h"
#include "ddpm/training/trainer.h"
#include "preview.h"
#include "run_checkpoints.h"
#include "run_log.h"

namespace ddpm {
namespace {

RunEnvironment environment_of(const Prepared& prepared, const RunOptions& options) {
  return {.command_line = options.command_line,
          .device = prepared.runtime.description,
          .data_source = prepared.images.info().source,
          .data_images = prepared.images.count(),
          .data_fingerprint = prepared.images.fingerprint()};
}

// A run goes on in the precision in which it began, also on another machine, unless the user asks for
// another. Checkpoints of versions that did not know auto have fp32, which was their default.
void keep_precision(const RunConfig& saved, RunConfig& run) {
  if (run.precision != Precision::kAuto) return;
  run.precision = saved.precision;
  if (run.precision != Precision::kAuto)
    log_info("precision: {} (that of the checkpoint; --precision changes it)", run.precision);
}

// Loads the checkpoint into a new trainer; without one, the initial weights, if there are any.
// Returns the trainer.
Trainer& continue_or_start(Trainer& trainer, const RunDirectory& directory,
                           const std::optional<fs::path>& checkpoint, const RunOptions& options) {
  if (checkpoint) {
    trainer.load(*checkpoint);
    log_info("resumed from {} at step {}", checkpoint->string(), trainer.steps_done());
  } else if (const std::optional<ModelFile>& model = options.start) {
    trainer.start_from(model->tensors, options.fit);
    log_info("starting from the weights of {} (SHA-256 {})", model->weights.string(),
             model->sha256());
  }
  // A run that died before its first checkpoint may have left lines too.
  trim_metrics(directory.metrics(), trainer.steps_done());
  return trainer;
}

// Refuses a model that does not fit before there is a run directory. The network has no memory.
void check_start(const Config& config, const ModelFile& model, TensorFit fit) {
  const UNet net(config.model, config.data.channels);
  const ParameterLayout layout(*net, net->joined_parameters());
  try {
    check_fit(model.tensors, layout.views(layout.allocate(torch::kFloat32, torch::kMeta)), fit);
  } catch (const CheckpointError& error) {
    if (fit == TensorFit::kMayDiffer) throw;
    throw CheckpointError(std::string(error.what()) +
                          "; --reinit-mismatched initialises such tensors");
  }
}

// Class i of the data starts as class i of the model, whatever they are called. That is a help for a
// finer sorting of the same pictures, and a mistake where the folders have only been renamed.
void warn_of_other_classes(const Config& config, const Config& start) {
  const std::vector<std::string>&now = config.data.class_names, &before = start.data.class_names;
  if (config.model.class_embedding == ClassEmbeddingKind::kNone || now.empty() || before.empty() ||
      now.size() != before.size() || now == before)
    return;
  const auto first = std::ranges::mismatch(now, before).in1 - now.begin();
  const auto i = static_cast<std::size_t>(first);
  log_warning(
      "--init-from: the classes of the data ({}) are not those of the model ({}); each class starts "
      "from that with its number: {} is '{}' now and was '{}'",
      shorten(join(now), 200), shorten(join(before), 200), first, shorten(now[i]),
      shorten(before[i]));
}

// The running job: the loop of steps, and what is done after each step.
class Run {
 public:
  // `checkpoint`: where to continue; none: a new run. `started`: runs since the call of
  // run_training.
  Run(const Config& config, const Prepared& prepared, const RunDirectory& directory,
      const RunOptions& options, const std::optional<fs::path>& checkpoint,
      const Stopwatch& started)
      : training_(config.training),
        device_(prepared.runtime.device),
        directory_(directory),
        options_(options),
        started_(started),
        trainer_(config, prepared.images, prepared.runtime),
        preview_(training_.sample_every > 0 ? std::make_optional<Preview>(config, prepared.runtime)
                                            : std::nullopt),
        log_(config, directory, continue_or_start(trainer_, directory, checkpoint, options),
             options.progress),
        checkpoints_(config, directory, environment_of(prepared, options), trainer_, log_,
                     checkpoint ? std::optional(trainer_.steps_done()) : std::nullopt) {}

  ExitCode train();

 private:
  void run_steps();
  void after_step();
  void save_samples();
  ExitCode report_end() const;
  bool out_of_time() const {
    return options_.max_minutes > 0 && started_.seconds() >= 60 * options_.max_minutes;
  }
  bool must_end() const { return stop_requested() || out_of_time(); }

  const TrainingConfig& training_;
  torch::Device device_;
  const RunDirectory& directory_;
  const RunOptions& options_;
  const Stopwatch& started_;
  Trainer trainer_;
  std::optional<Preview> preview_;
  RunLog log_;
  RunCheckpoints checkpoints_;
};

// If training diverged, adds to the message what the user needs to continue.
ExitCode Run::train() {
  try {
    run_steps();
  } catch (const NonFiniteError& error) {
    throw NonFiniteError(format_text(
        "{}. {}{}. A smaller training.learning_rate, more training.warmup_steps or a smaller "
        "training.clip_norm may help; training.on_nonfinite=skip skips single bad steps",
        error.what(), log_.recent_losses(),
        checkpoints_.describe_newest("The last good checkpoint is ",
                                     "There is no checkpoint yet")));
  }
  return report_end();
}

void Run::run_steps() {
  while (trainer_.steps_done() < training_.steps && !must_end()) {
    log_.resume_clock();
    trainer_.step();
    after_step();
  }
  log_.clear_progress();
  checkpoints_.save_last();
}

void Run::after_step() {
  const bool last = trainer_.steps_done() == training_.steps;
  const auto due = [&](std::int64_t interval) {
    return last || trainer_.steps_done() % interval == 0;
  };
  // totals() waits for the device, so that the clock includes all steps when it is read.
  if (due(training_.log_every)) log_.add_line(trainer_.totals(), checkpoints_.held_seconds());
  if (log_.progress_due()) log_.show_progress(trainer_.totals());
  if (preview_ && due(training_.sample_every)) save_samples();
  checkpoints_.after_step();
}

void Run::save_samples() {
  log_.clear_progress();
  static_cast<void>(trainer_.totals());  // waits for the device
  log_.pause_clock();
  const Stopwatch drawing;
  const fs::path path = directory_.samples(trainer_.steps_done());
  attempt([&] {
    if (!preview_->write(trainer_, path, [&] { return must_end(); })) return;
    log_info("samples {} ({:.1f} s)", path.string(), drawing.seconds());
    log_.add_samples(path);
  });
}

ExitCode Run::report_end() const {
  const std::int64_t steps = trainer_.steps_done();
  if (stop_requested()) {
    log_info("stopped at step {}; continue with --resume auto", steps);
    return stop_exit_code();
  }
  if (steps < training_.steps)
    log_info("--max-minutes: the time is up at step {} of {}; continue with --resume auto", steps,
             training_.steps);
  else
    log_info("done: {}, {:.1f} images/s, peak memory {}", counted(steps, "step"),
             log_.images_per_second(), format_bytes(peak_memory_bytes(device_)));
  return ExitCode::kSuccess;
}

}  // namespace

ExitCode run_training(const ResolvedConfig& wanted, const RunOptions& options) {
  const Stopwatch started;
  Config config = wanted.config;
  const RunDirectory directory(config);
  // An existing directory is locked before its checkpoints are read, so that they do not change.
  std::optional<FileLock> lock = directory.lock_existing();
  if (!options.resume && !options.overwrite) directory.require_empty();
  std::optional<fs::path> checkpoint;
  std::optional<TrainingState> state;  // of the checkpoint
  if (options.resume) checkpoint = directory.find_checkpoint(*options.resume);
  if (checkpoint) {
    state = read_training_state(*checkpoint);
    config = keep_values(wanted, state->config);
    keep_precision(state->config.run, config.run);
  }
  const Prepared prepared = prepare(config, options.force);
  if (state) check_resumable(*state, config, prepared.images.fingerprint());
  if (!checkpoint && options.start) {
    check_start(config, *options.start, options.fit);
    warn_of_other_classes(config, options.start->config);
  }
  check_disk_space(directory, config, prepared.cost.parameters);

  if (!lock) lock.emplace(directory.create_and_lock());
  if (options.overwrite) directory.clear();
  directory.write_description(config, environment_of(prepared, options));
  add_log_file(directory.log());
  for (const std::string& line : settings_table(config)) log_to_files("  " + line);
  ExitCode code = ExitCode::kSuccess;
  const TrainingConfig& training = config.training;
  try {
    explain_out_of_memory(prepared.runtime.device, training.batch_size / training.micro_batches,
                          [&] {
                            Run run(config, prepared, directory, options, checkpoint, started);
                            code = run.train();
                          });
  } catch (const DeviceError& error) {
    const CheckpointStore store(directory.checkpoints());
    throw DeviceError(format_text(
        "{}\n{}", error.what(),
        store.describe_newest("The newest checkpoint is ", "There is no checkpoint yet")));
  }
  print_path(directory.path());
  return code;
}

}  // namespace ddpm
