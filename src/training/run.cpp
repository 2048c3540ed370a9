#include "ddpm/training/run.h"

#include <algorithm>
#include <chrono>
#include <cmath>

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
#include "run_records.h"
#include "step_budget.h"

namespace ddpm {
namespace {

// A run goes on in the precision in which it began, also on another machine, unless the user asks for
// another. Checkpoints of versions that did not know auto have fp32, which was their default.
void keep_precision(const RunConfig& saved, RunConfig& run) {
  if (run.precision != Precision::kAuto) return;
  run.precision = saved.precision;
  if (run.precision != Precision::kAuto)
    log_info("precision: {} (that of the checkpoint; --precision changes it)", run.precision);
}

// Loads the checkpoint into a new trainer; without one, the initial weights, if there are any.
void continue_or_start(Trainer& trainer, const RunDirectory& directory,
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

// The running job: the loop of steps, and the decision to end it.
class Run {
 public:
  // `evaluator` may be null. `checkpoint`: where rank 0 continues; none: a new run.
  // `started`: runs since the call of run_training.
  Run(const Config& config, const Prepared& prepared, const RunDirectory& directory,
      const RunOptions& options, const Evaluator* evaluator,
      const std::optional<fs::path>& checkpoint, const Stopwatch& started,
      Communicator& communicator)
      : training_(config.training),
        device_(prepared.runtime.device),
        options_(options),
        started_(started),
        world_(communicator.world()),
        trainer_(config, prepared.images, prepared.runtime, communicator) {
    if (world_.leads()) continue_or_start(trainer_, directory, checkpoint, options);
    if (world_.size > 1) trainer_.share_state();
    if (world_.leads())
      records_.emplace(config, prepared, directory, options, evaluator, trainer_,
                       checkpoint.has_value(),
                       [this] { return stop_requested() || out_of_time(); });
  }

  ExitCode train();

 private:
  void run_steps();
  void report(bool working) {
    if (options_.group != nullptr) options_.group->report(trainer_.steps_done(), working);
  }
  void compare_weights() const;
  Requests own_requests() const;
  void note(const Requests& asked);
  ExitCode report_end() const;
  bool out_of_time() const {
    return options_.max_minutes > 0 && started_.seconds() >= 60 * options_.max_minutes;
  }
  // A process alone ends at once; several must end after the same step, so only what all have learnt counts.
  ExitCode stop_code() const;
  bool must_end() const {
    if (world_.size == 1) return stop_requested() || out_of_time();
    return stop_code() != ExitCode::kSuccess || has(asked_, Request::kTimeUp);
  }

  const TrainingConfig& training_;
  torch::Device device_;
  const RunOptions& options_;
  const Stopwatch& started_;
  World world_;
  Trainer trainer_;
  Requests asked_;                     // by any process, in any step so far
  std::optional<RunRecords> records_;  // on rank 0
};

// If training diverged, adds to the message what the user needs to continue. Rank 0 notices it.
ExitCode Run::train() {
  try {
    run_steps();
  } catch (const NonFiniteError& error) {
    throw NonFiniteError(format_text(
        "{}. {}. A smaller training.learning_rate, more training.warmup_steps or a smaller "
        "training.clip_norm may help; training.on_nonfinite=skip skips single bad steps",
        error.what(), records_ ? records_->what_was_before() : ""));
  }
  return report_end();
}

void Run::run_steps() {
  while (trainer_.steps_done() < training_.steps && !must_end()) {
    report(/*working=*/true);
    if (records_) records_->before_step();
    note(trainer_.step(own_requests()));
    compare_weights();
    if (records_) records_->after_step();
  }
  if (world_.size > 1) synchronize(device_);
  report(/*working=*/false);
  if (records_) records_->finish();
}

// All processes should have the same weights. If one has not, because its memory or its GPU is faulty, what they compute
// together has no meaning; before a checkpoint that comes by steps they compare, which costs a pass over the weights.
void Run::compare_weights() const {
  if (world_.size == 1 || training_.checkpoint_every == 0 ||
      trainer_.steps_done() % training_.checkpoint_every != 0)
    return;
  options_.group->require_equal(
      format_text("the sum of the weights after step {}", trainer_.steps_done()),
      std::to_string(trainer_.checksum()));
}

Requests Run::own_requests() const {
  Requests own;
  const auto set = [&](Request request, bool value) {
    own.set(static_cast<std::size_t>(request), value);
  };
  const ExitCode code = stop_exit_code();
  set(Request::kInterrupt, code == ExitCode::kInterrupted);
  set(Request::kTerminate, code == ExitCode::kTerminated);
  set(Request::kHangUp, code == ExitCode::kHungUp);
  set(Request::kTimeUp, out_of_time());
  // Rank 0, who saves, finds its own when it looks (RunCheckpoints).
  set(Request::kSave, !world_.leads() && take_save_request());
  return own;
}

void Run::note(const Requests& asked) {
  if (world_.size > 1 && has(asked, Request::kSave)) request_save();
  asked_ |= asked;
}

ExitCode Run::stop_code() const {
  if (world_.size == 1) return stop_exit_code();
  if (has(asked_, Request::kInterrupt)) return ExitCode::kInterrupted;
  if (has(asked_, Request::kTerminate)) return ExitCode::kTerminated;
  if (has(asked_, Request::kHangUp)) return ExitCode::kHungUp;
  return ExitCode::kSuccess;
}

ExitCode Run::report_end() const {
  const std::int64_t steps = trainer_.steps_done();
  if (const ExitCode code = stop_code(); code != ExitCode::kSuccess) {
    log_info("stopped at step {}; continue with --resume auto", steps);
    return code;
  }
  if (steps < training_.steps)
    log_info("--max-minutes: the time is up at step {} of {}; continue with --resume auto", steps,
             training_.steps);
  else if (records_)
    log_info("done: {}, {:.1f} images/s, peak memory {}", counted(steps, "step"),
             records_->images_per_second(), format_bytes(peak_memory_bytes(device_)));
  return ExitCode::kSuccess;
}

// The state of the checkpoint with which rank 0 continues, if there is one.
std::optional<TrainingState> state_of(const std::optional<fs::path>& checkpoint,
                                      ProcessGroup* group) {
  std::string text = checkpoint ? training_state_text(*checkpoint) : "";
  if (group != nullptr) text = group->share("state", text);
  if (text.empty()) return std::nullopt;
  return parse_training_state(
      text, ((checkpoint ? *checkpoint : "rank 0's checkpoint") / fs::path("state.json")).string());
}

// A run that continues has the number of steps that was measured when it began.
void keep_budget(const TrainingConfig& saved, TrainingConfig& training) {
  if (training.budget_minutes == 0) return;
  if (training.budget_minutes != saved.budget_minutes)
    throw ConfigError(format_text(
        "training.budget_minutes: {} minutes would be the budget of a whole run, and this one began with "
        "another; to train on, set training.budget_minutes=0 and training.steps to more than {}",
        training.budget_minutes, saved.steps));
  training.steps = saved.steps;
}

void fit_budget(Config& config, const Prepared& prepared, Communicator& communicator,
                const RunOptions& options, const Stopwatch& started) {
  TrainingConfig& training = config.training;
  if (training.budget_minutes == 0) return;
  training.steps = steps_within(60 * training.budget_minutes - started.seconds(), config, prepared,
                                communicator, options.group);
  log_info("budget: {} in {} minutes at the speed of this machine (training.steps)",
           counted(training.steps, "step"), training.budget_minutes);
}

}  // namespace

ExitCode run_training(const ResolvedConfig& wanted, const RunOptions& options) {
  const Stopwatch started;
  Config config = wanted.config;
  ProcessGroup* const group = options.group;
  const bool leads = group == nullptr || group->world().leads();
  const RunDirectory directory(config);
  // An existing directory is locked before its checkpoints are read, so that they do not change.
  std::optional<FileLock> lock = leads ? directory.lock_existing() : std::nullopt;
  std::optional<fs::path> checkpoint;
  if (leads) {
    if (!options.resume && !options.overwrite) directory.require_empty();
    if (options.resume) checkpoint = directory.find_checkpoint(*options.resume);
  }
  const std::optional<TrainingState> state = state_of(checkpoint, group);
  if (state) {
    config = keep_values(wanted, state->config);
    keep_precision(state->config.run, config.run);
    keep_budget(state->config.training, config.training);
  }
  const Prepared prepared = prepare(config, options.force, CacheUse::kReadAndWrite, group);
  if (state) check_resumable(*state, config, prepared.images.fingerprint());
  if (!state && options.start) {
    check_start(config, *options.start, options.fit);
    warn_of_other_classes(config, options.start->config);
  }
  std::optional<Evaluator> evaluator;
  if (leads && config.evaluation.every > 0) evaluator.emplace(config, prepared);
  std::unique_ptr<Communicator> together;
  if (group != nullptr)
    together = group->communicator(prepared.runtime.device, config.run.deterministic);
  Communicator& communicator = together ? *together : alone();
  if (!state) fit_budget(config, prepared, communicator, options, started);
  if (leads) {
    check_disk_space(directory, config, prepared.cost.parameters);
    if (!lock) lock.emplace(directory.create_and_lock());
    if (options.overwrite) directory.clear();
    directory.write_description(config, environment_of(prepared, options));
    add_log_file(directory.log());
    for (const std::string& line : settings_table(config)) log_to_files("  " + line);
  }
  const TrainingConfig& training = config.training;
  if (group != nullptr)
    group->limit_step_time(std::chrono::milliseconds(std::llround(60'000 * training.hang_minutes)));
  ExitCode code = ExitCode::kSuccess;
  try {
    explain_out_of_memory(
        prepared.runtime.device, rows_of_micro_batch(training, communicator.world()), [&] {
          Run run(config, prepared, directory, options, evaluator ? &*evaluator : nullptr,
                  checkpoint, started, communicator);
          code = run.train();
        });
  } catch (const DeviceError& error) {
    if (!leads) throw;
    const CheckpointStore store(directory.checkpoints());
    throw DeviceError(format_text(
        "{}\n{}", error.what(),
        store.describe_newest("The newest checkpoint is ", "There is no checkpoint yet")));
  }
  if (leads) print_path(directory.path());
  return code;
}

}  // namespace ddpm
