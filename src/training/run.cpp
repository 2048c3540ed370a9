#include "ddpm/training/run.h"

#include <cmath>
#include <cstdio>
#include <deque>
#include <utility>

#include "ddpm/base/file.h"
#include "ddpm/base/log.h"
#include "ddpm/base/signals.h"
#include "ddpm/base/stopwatch.h"
#include "ddpm/base/text.h"
#include "ddpm/image/codec.h"
#include "ddpm/image/plot.h"
#include "ddpm/metrics/jsonl.h"
#include "ddpm/metrics/tensorboard.h"
#include "ddpm/runs/checkpoint_saver.h"
#include "ddpm/runs/run_directory.h"
#include "ddpm/training/prepare.h"
#include "ddpm/training/schedules.h"
#include "ddpm/training/trainer.h"
#include "preview.h"

namespace ddpm {
namespace {

RunEnvironment environment_of(const Prepared& prepared, const RunOptions& options) {
  return {.command_line = options.command_line,
          .device = prepared.runtime.description,
          .data_source = prepared.images.info().source,
          .data_images = prepared.images.count(),
          .data_fingerprint = prepared.images.fingerprint()};
}

constexpr double kSecondsToRetry = 60;  // a checkpoint that could not be saved

// Does what training can go on without: a full disk must not end it.
template <class Work>
void attempt(const Work& work) {
  try {
    work();
  } catch (const IoError& error) {
    log_error("{}. Training goes on without it", error.what());
  }
}

// The running job: the loop and what happens around its steps.
class Run {
 public:
  Run(const Config& config, const Prepared& prepared, const RunDirectory& directory,
      const RunOptions& options, const Stopwatch& started)
      : config_(config),
        training_(config.training),
        prepared_(prepared),
        directory_(directory),
        trainer_(config, prepared.images, prepared.runtime),
        options_(options),
        started_(started),
        saver_(CheckpointStore(directory.checkpoints()),
               {.newest = training_.keep_checkpoints, .every = training_.keep_every},
               training_.keep_best) {
    if (training_.sample_every > 0) preview_.emplace(config, prepared.runtime);
  }

  // Nothing: from the start.
  void continue_from(const std::optional<fs::path>& checkpoint);
  void start_from(const ModelFile& model, MissingTensors missing);
  ExitCode train();

 private:
  void open_metrics();
  void after_step();
  void log_metrics();
  bool checkpoint_due();
  void start_checkpoint();
  void report_checkpoint(const SaveResult& result);
  void bring_back_directory();
  void save_last_checkpoint();
  void save_samples();
  void save_loss_plot() const;
  TrainingTotals totals();
  template <class Look>
  auto explain_divergence(const Look& look);
  std::string recent_losses() const;
  double images_per_second() const;
  bool out_of_time() const {
    return options_.max_minutes > 0 && started_.seconds() >= 60 * options_.max_minutes;
  }
  bool must_end() const { return stop_requested() || out_of_time(); }
  bool due(std::int64_t interval) const {
    return interval > 0 && trainer_.steps_done() % interval == 0;
  }

  const Config& config_;
  const TrainingConfig& training_;
  const Prepared& prepared_;
  RunDirectory directory_;
  Trainer trainer_;
  std::optional<Preview> preview_;
  const RunOptions& options_;
  Stopwatch started_;  // since this process began its work
  std::unique_ptr<Progress> progress_;
  std::unique_ptr<MetricsWriter> metrics_;
  std::unique_ptr<TensorboardWriter> events_;  // empty: none are written
  std::int64_t first_step_ = 0;                // where this process began
  TrainingTotals logged_;                      // by the last metrics line
  std::deque<double> recent_losses_;           // of the last few lines
  TrainingTotals checkpointed_;                // when the last checkpoint was begun
  Stopwatch since_checkpoint_;                 // since it was begun
  std::int64_t saved_step_ = -1;               // of the newest complete one
  std::optional<Stopwatch> since_failure_;     // of the last checkpoint, if it failed
  Stopwatch watch_;                            // rests during previews and saves
  double held_seconds_ = 0;                    // by saves, in this process
  CheckpointSaver saver_;
};

void Run::start_from(const ModelFile& model, MissingTensors missing) {
  trainer_.start_from(model.tensors, missing);
  log_info("starting from the weights of {} (SHA-256 {})", model.weights.string(), model.sha256);
}

// What `look` returns. If it finds training diverged, the message gets what a person needs to go
// on.
template <class Look>
auto Run::explain_divergence(const Look& look) {
  try {
    return look();
  } catch (const NonFiniteError& error) {
    static_cast<void>(saver_.wait());
    const std::optional<fs::path> good = CheckpointStore(directory_.checkpoints()).newest();
    throw NonFiniteError(format_text(
        "{}. {}{}. A smaller training.learning_rate, more training.warmup_steps or a smaller "
        "training.clip_norm may help; training.on_nonfinite=skip leaves single steps out",
        error.what(), recent_losses(),
        good ? "The last good checkpoint is " + good->string() : "There is no checkpoint yet"));
  }
}

void Run::continue_from(const std::optional<fs::path>& checkpoint) {
  if (checkpoint) {
    trainer_.load(*checkpoint);
    first_step_ = saved_step_ = trainer_.steps_done();
    log_info("resumed from {} at step {}", checkpoint->string(), first_step_);
  }
  // Also of a run that died before its first checkpoint.
  trim_metrics(directory_.metrics(), first_step_);
}

void Run::open_metrics() {
  metrics_ = std::make_unique<MetricsWriter>(directory_.metrics());
  if (!config_.run.tensorboard) return;
  const std::int64_t step = trainer_.steps_done();
  events_ = std::make_unique<TensorboardWriter>(directory_.path(), step);
  attempt([&] { events_->add_text(step, "config", "```json\n" + to_json(config_) + "```\n"); });
}

ExitCode Run::train() {
  open_metrics();
  progress_ = std::make_unique<Progress>(options_.progress, "training", "steps", training_.steps,
                                         first_step_);
  since_checkpoint_ = watch_ = {};
  while (trainer_.steps_done() < training_.steps && !must_end()) {
    watch_.resume();
    trainer_.step();
    after_step();
  }
  progress_->clear();
  save_last_checkpoint();
  if (stop_requested()) {
    log_info("stopped at step {}; continue with --resume auto", trainer_.steps_done());
    return stop_exit_code();
  }
  if (trainer_.steps_done() < training_.steps)
    log_info("--max-minutes: the time is up at step {} of {}; continue with --resume auto",
             trainer_.steps_done(), training_.steps);
  else
    log_info("done: {} steps, {:.1f} images/s, peak memory {}", trainer_.steps_done(),
             images_per_second(), format_bytes(peak_memory_bytes(prepared_.runtime.device)));
  return ExitCode::kSuccess;
}

// Waits for the device, so that the clock is right whenever somebody looks at it.
TrainingTotals Run::totals() {
  return explain_divergence([&] { return trainer_.totals(); });
}

// "The last losses were 0.031, 0.030. ", or nothing.
std::string Run::recent_losses() const {
  std::vector<std::string> texts;
  for (const double loss : recent_losses_) texts.push_back(format_text("{:.4g}", loss));
  return texts.empty() ? "" : "The last losses logged were " + join(texts, ", ") + ". ";
}

void Run::after_step() {
  const bool last = trainer_.steps_done() == training_.steps;
  if (due(training_.log_every) || last) log_metrics();
  const auto done = static_cast<double>(trainer_.steps_done());
  if (progress_->due(done)) {
    const TrainingTotals now = totals();
    // Of the steps since the last line, or of the line itself if there is none yet.
    double loss = now.mean_loss_since(logged_);
    if (std::isnan(loss) && !recent_losses_.empty()) loss = recent_losses_.back();
    progress_->update(done, format_text("loss {:.4f}, {:.1f} images/s", loss, images_per_second()));
  }
  if (preview_ && (due(training_.sample_every) || last)) save_samples();
  if (const auto result = saver_.poll()) report_checkpoint(*result);
  if (checkpoint_due()) start_checkpoint();
}

double Run::images_per_second() const {
  const auto images =
      static_cast<double>((trainer_.steps_done() - first_step_) * training_.batch_size);
  return watch_.seconds() > 0 ? images / watch_.seconds() : 0;
}

void Run::log_metrics() {
  constexpr std::size_t kRecent = 5;
  const TrainingTotals now = totals();
  const double loss = now.mean_loss_since(logged_);
  if (const std::int64_t skipped = now.skipped - logged_.skipped; skipped > 0)
    log_warning(
        "{} of the last {} steps were skipped: their gradient was not finite, or "
        "their loss an outlier",
        skipped, now.steps - logged_.steps);
  const MetricRecord record = {{"step", trainer_.steps_done()},
                               {"images", trainer_.images_seen()},
                               {"loss", loss},
                               {"grad_norm", now.gradient_norm},
                               {"lr", learning_rate(training_, trainer_.steps_done())},
                               {"images_per_second", images_per_second()},
                               {"elapsed_s", watch_.seconds()},
                               {"saving_s", held_seconds_},
                               {"skipped_steps", now.skipped}};
  attempt([&] { metrics_->append(record); });
  if (events_) attempt([&] { events_->add_scalars(trainer_.steps_done(), record); });
  if (std::isfinite(loss)) recent_losses_.push_back(loss);
  if (recent_losses_.size() > kRecent) recent_losses_.pop_front();
  logged_ = now;
}

bool Run::checkpoint_due() {
  const bool asked = take_save_request();
  const bool by_time = training_.checkpoint_minutes > 0 &&
                       since_checkpoint_.seconds() >= 60 * training_.checkpoint_minutes;
  const bool again = since_failure_ && since_failure_->seconds() >= kSecondsToRetry;
  return asked || by_time || again || due(training_.checkpoint_every);
}

// Copies the state and lets another thread do the rest.
void Run::start_checkpoint() {
  progress_->clear();
  const TrainingTotals now = totals();  // waits for steps under way: that is no cost of saving
  watch_.pause();
  const Stopwatch held;
  if (const auto result = saver_.wait()) report_checkpoint(*result);
  std::error_code error;
  if (fs::status(directory_.path(), error).type() == fs::file_type::not_found)
    bring_back_directory();
  if (saved_step_ == trainer_.steps_done()) return;
  const double waited = held.seconds();
  TrainerSnapshot snapshot = explain_divergence([&] { return trainer_.snapshot(); });
  const double loss = now.mean_loss_since(checkpointed_);
  if (std::isfinite(loss)) snapshot.state.loss = loss;
  saver_.start(trainer_.steps_done(),
               [this, snapshot = std::move(snapshot)](const fs::path& folder) {
                 attempt([&] { metrics_->sync(); });
                 attempt([&] { save_loss_plot(); });
                 write_snapshot(snapshot, folder);
               });
  held_seconds_ += held.seconds();
  log_debug(
      "the save of step {} held training up for {:.3f} s, {:.3f} s of them until the one before "
      "was written; saves so far: {:.3f} s",
      trainer_.steps_done(), held.seconds(), waited, held_seconds_);
  checkpointed_ = now;
  since_checkpoint_ = {};
  since_failure_.reset();
}

void Run::report_checkpoint(const SaveResult& result) {
  progress_->clear();
  if (result.saved()) {
    saved_step_ = result.step;
    log_info("checkpoint {} ({:.1f} s)", result.path.string(), result.seconds);
    return;
  }
  since_failure_ = Stopwatch();
  log_error(
      "the checkpoint of step {} could not be saved: {}. Training goes on; the next attempt "
      "comes in a minute at the latest",
      result.step, result.error);
}

// Somebody removed it. No save is under way.
void Run::bring_back_directory() {
  log_error(
      "the run directory '{}' has vanished, with its checkpoints and metrics; it is made again",
      directory_.path().string());
  saved_step_ = -1;
  attempt([&] {
    directory_.write_description(config_, environment_of(prepared_, options_));
    open_metrics();
  });
}

void Run::save_last_checkpoint() {
  if (const auto result = saver_.wait()) report_checkpoint(*result);
  start_checkpoint();
  const std::optional<SaveResult> result = saver_.wait();
  if (!result) return;  // it was saved already
  if (result->saved()) return report_checkpoint(*result);
  const std::optional<fs::path> newest = CheckpointStore(directory_.checkpoints()).newest();
  throw CheckpointError(format_text(
      "the last checkpoint, of step {}, could not be saved: {}. {}", result->step, result->error,
      newest ? "The newest one is " + newest->string() : "There is no other"));
}

void Run::save_samples() {
  progress_->clear();
  static_cast<void>(totals());
  watch_.pause();
  const Stopwatch drawing;
  const fs::path path = directory_.samples(trainer_.steps_done());
  attempt([&] {
    if (!preview_->write(trainer_, path, [&] { return must_end(); })) return;
    log_info("samples {} ({:.1f} s)", path.string(), drawing.seconds());
    if (!events_) return;
    const MappedFile png(path);
    const ImageInfo info = read_image_info(png.bytes(), path.string());
    events_->add_image(trainer_.steps_done(), "samples",
                       {.file = png.bytes(),
                        .height = info.height,
                        .width = info.width,
                        .channels = info.channels});
  });
}

void Run::save_loss_plot() const {
  PlotSeries series{.name = "loss", .xs = {}, .ys = {}};
  for (const MetricRecord& record : read_metrics(directory_.metrics())) {
    series.xs.push_back(metric_number(record, "step"));
    series.ys.push_back(metric_number(record, "loss"));
  }
  PlotOptions options;
  options.title = "training loss: " + config_.run.name;
  options.x_label = "step";
  options.y_label = "loss";
  options.log_y = true;
  write_line_plot(directory_.loss_plot(), {series}, options);
}

}  // namespace

ExitCode run_training(Config config, const RunOptions& options) {
  const Stopwatch started;
  const RunDirectory directory(config);
  // Before anything is looked up in a directory that exists: its checkpoints must not change.
  std::optional<FileLock> lock = directory.lock_existing();
  if (!options.resume && !options.overwrite) directory.require_empty();
  std::optional<fs::path> checkpoint;
  if (options.resume) checkpoint = directory.find_checkpoint(*options.resume);
  const Prepared prepared = prepare(config);
  if (checkpoint) check_resumable(*checkpoint, config, prepared.images.fingerprint());
  check_disk_space(directory, config, prepared.cost.parameters);

  if (!lock) lock.emplace(directory.create_and_lock());
  if (options.overwrite) directory.clear();
  directory.write_description(config, environment_of(prepared, options));
  add_log_file(directory.log());
  ExitCode code = ExitCode::kSuccess;
  const TrainingConfig& training = config.training;
  try {
    explain_out_of_memory(prepared.runtime.device, training.batch_size / training.micro_batches,
                          [&] {
                            Run run(config, prepared, directory, options, started);
                            if (!checkpoint && options.start)
                              run.start_from(*options.start, options.missing);
                            run.continue_from(checkpoint);
                            code = run.train();
                          });
  } catch (const DeviceError& error) {
    const std::optional<fs::path> newest = CheckpointStore(directory.checkpoints()).newest();
    throw DeviceError(format_text(
        "{}\n{}", error.what(),
        newest ? "The newest checkpoint is " + newest->string() : "There is no checkpoint yet"));
  }
  std::puts(directory.path().c_str());
  return code;
}

}  // namespace ddpm
