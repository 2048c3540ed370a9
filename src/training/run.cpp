#include "ddpm/training/run.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>

#include "ddpm/base/file.h"
#include "ddpm/base/log.h"
#include "ddpm/base/signals.h"
#include "ddpm/data/batch.h"
#include "ddpm/diffusion/generate.h"
#include "ddpm/image/codec.h"
#include "ddpm/image/grid.h"
#include "ddpm/image/plot.h"
#include "ddpm/io/checkpoint.h"
#include "ddpm/metrics/jsonl.h"
#include "ddpm/training/prepare.h"
#include "ddpm/training/run_directory.h"
#include "ddpm/training/schedules.h"
#include "ddpm/training/trainer.h"

namespace ddpm {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Null if there are no previews.
std::unique_ptr<Sampler> make_preview_sampler(const Config& config) {
  if (config.training.sample_every == 0) return nullptr;
  return make_sampler_for(
      config, {.name = config.sampling.sampler,
               .steps = std::min(config.training.sample_steps, config.diffusion.timesteps)});
}

// Time spent on steps: pauses during previews and checkpoints.
class Stopwatch {
 public:
  void resume() {
    if (!std::exchange(running_, true)) started_ = Clock::now();
  }
  void pause() {
    if (std::exchange(running_, false)) seconds_ += seconds_since(started_);
  }
  double seconds() const { return seconds_ + (running_ ? seconds_since(started_) : 0); }

 private:
  Clock::time_point started_;
  double seconds_ = 0;
  bool running_ = false;
};

// The running job: the loop and what happens around its steps.
class Run {
 public:
  Run(const Config& config, const Prepared& prepared, const RunDirectory& directory,
      ProgressStyle style)
      : config_(config),
        runtime_(prepared.runtime),
        directory_(directory),
        checkpoints_(directory.checkpoints()),
        trainer_(config, prepared.images, prepared.runtime),
        preview_sampler_(make_preview_sampler(config)),
        style_(style) {}

  void continue_from(const fs::path& checkpoint);
  void start_from(const ModelFile& model, Missing missing);
  ExitCode train();

 private:
  void step();
  void after_step();
  void log_metrics();
  void save_checkpoint();
  void save_samples();
  void save_loss_plot() const;
  TrainingTotals totals() const;
  double images_per_second() const;
  bool due(std::int64_t interval) const {
    return interval > 0 && trainer_.steps_done() % interval == 0;
  }

  const Config& config_;
  Runtime runtime_;
  RunDirectory directory_;
  CheckpointStore checkpoints_;
  Trainer trainer_;
  std::unique_ptr<Sampler> preview_sampler_;
  ProgressStyle style_;
  std::unique_ptr<Progress> progress_;
  std::unique_ptr<MetricsWriter> metrics_;
  std::int64_t first_step_ = 0;   // where this process began
  std::int64_t saved_step_ = -1;  // of the newest checkpoint
  TrainingTotals logged_;         // by the last metrics line
  double recent_loss_ = 0;
  Stopwatch watch_;
};

void Run::continue_from(const fs::path& checkpoint) {
  trainer_.load(checkpoint);
  first_step_ = saved_step_ = trainer_.steps_done();
  trim_metrics(directory_.metrics(), first_step_);
  log_info("resumed from {} at step {}", checkpoint.string(), first_step_);
}

void Run::start_from(const ModelFile& model, Missing missing) {
  trainer_.start_from(model.tensors, missing);
  log_info("starting from the weights of {} (SHA-256 {})", model.weights.string(), model.sha256);
}

ExitCode Run::train() {
  metrics_ = std::make_unique<MetricsWriter>(directory_.metrics());
  progress_ =
      std::make_unique<Progress>(style_, "training", "steps", config_.training.steps, first_step_);
  while (trainer_.steps_done() < config_.training.steps && !stop_requested()) {
    step();
    after_step();
  }
  progress_->clear();
  if (saved_step_ != trainer_.steps_done()) save_checkpoint();
  if (stop_requested()) {
    log_info("stopped at step {}; continue with --resume auto", trainer_.steps_done());
    return stop_exit_code();
  }
  log_info("done: {} steps, {:.1f} images/s, peak memory {}", trainer_.steps_done(),
           images_per_second(), format_bytes(peak_memory_bytes(runtime_.device)));
  return ExitCode::kSuccess;
}

void Run::step() {
  watch_.resume();
  explain_out_of_memory(runtime_.device,
                        config_.training.batch_size / config_.training.micro_batches,
                        [&] { trainer_.step(); });
}

// Waits for the device, so that the clock is right whenever somebody looks at it.
TrainingTotals Run::totals() const {
  try {
    return trainer_.totals();
  } catch (const NonFiniteError& error) {
    const std::optional<fs::path> good = checkpoints_.newest();
    throw NonFiniteError(format_text(
        "{} (learning rate {:.3g}). {}. A smaller training.learning_rate, more "
        "training.warmup_steps or a smaller "
        "training.clip_norm may help",
        error.what(), learning_rate(config_.training, trainer_.steps_done()),
        good ? "The last good checkpoint is " + good->string() : "There is no checkpoint yet"));
  }
}

void Run::after_step() {
  const bool last = trainer_.steps_done() == config_.training.steps;
  if (due(config_.training.log_every) || last) log_metrics();
  if (progress_->due(trainer_.steps_done())) {
    const TrainingTotals now = totals();
    // Of the steps since the last line, or of the line itself if there is none yet.
    const std::int64_t steps = now.steps - logged_.steps;
    if (steps > 0) recent_loss_ = (now.loss_sum - logged_.loss_sum) / static_cast<double>(steps);
    progress_->update(trainer_.steps_done(), format_text("loss {:.4f}, {:.1f} images/s",
                                                         recent_loss_, images_per_second()));
  }
  if (due(config_.training.sample_every) || (last && config_.training.sample_every > 0))
    save_samples();
  if (due(config_.training.checkpoint_every)) save_checkpoint();
}

double Run::images_per_second() const {
  const auto images =
      static_cast<double>((trainer_.steps_done() - first_step_) * config_.training.batch_size);
  return watch_.seconds() > 0 ? images / watch_.seconds() : 0;
}

void Run::log_metrics() {
  const TrainingTotals now = totals();
  recent_loss_ = (now.loss_sum - logged_.loss_sum) / static_cast<double>(now.steps - logged_.steps);
  metrics_->append({{"step", trainer_.steps_done()},
                    {"images", trainer_.images_seen()},
                    {"loss", recent_loss_},
                    {"grad_norm", now.gradient_norm},
                    {"lr", learning_rate(config_.training, trainer_.steps_done())},
                    {"images_per_second", images_per_second()},
                    {"elapsed_s", watch_.seconds()}});
  logged_ = now;
}

void Run::save_checkpoint() {
  progress_->clear();
  static_cast<void>(totals());
  watch_.pause();
  const auto start = Clock::now();
  metrics_->sync();
  const fs::path saved = checkpoints_.save(trainer_.steps_done(),
                                           [&](const fs::path& folder) { trainer_.save(folder); });
  checkpoints_.prune(config_.training.keep_checkpoints);
  saved_step_ = trainer_.steps_done();
  save_loss_plot();
  log_info("checkpoint {} ({:.1f} s)", saved.string(), seconds_since(start));
}

void Run::save_samples() {
  progress_->clear();
  static_cast<void>(totals());
  watch_.pause();
  const auto start = Clock::now();
  GenerateRequest request{.seed = static_cast<std::uint64_t>(config_.run.seed),
                          .count = config_.training.sample_count,
                          .shape = {config_.data.channels, config_.data.height, config_.data.width},
                          .device = runtime_.device};
  request.after_step = [](std::size_t, std::int64_t, const torch::Tensor&) {
    return !stop_requested();
  };
  torch::Tensor images;
  trainer_.with_average_weights([&](UNet& net) {
    const Predictor predictor = [&](const torch::Tensor& x, const torch::Tensor& t) {
      return net->forward(x, t);
    };
    explain_out_of_memory(runtime_.device, request.count,
                          [&] { images = generate(*preview_sampler_, predictor, request); });
  });
  if (!images.defined()) return;  // asked to stop
  const fs::path path = directory_.samples(trainer_.steps_done());
  make_directories(path.parent_path());
  write_png(path, make_grid(tensor_to_images(images, parse_pixel_range(config_.data.range))),
            {{"step", std::to_string(trainer_.steps_done())},
             {"seed", std::to_string(config_.run.seed)}});
  log_info("samples {} ({:.1f} s)", path.string(), seconds_since(start));
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

fs::path run_directory(const Config& config) { return RunDirectory(config).path(); }

ExitCode run_training(Config config, const RunOptions& options) {
  const RunDirectory directory(config);
  if (!options.resume && !options.overwrite) directory.require_empty();
  std::optional<fs::path> checkpoint;
  if (options.resume) checkpoint = directory.find_checkpoint(*options.resume);
  const Prepared prepared = prepare(config);
  if (checkpoint) check_resumable(*checkpoint, config);

  if (options.overwrite) directory.clear();
  directory.write_description(config, prepared, options.command_line);
  add_log_file(directory.log());
  Run run(config, prepared, directory, options.progress);
  if (checkpoint)
    run.continue_from(*checkpoint);
  else if (options.start)
    run.start_from(*options.start, options.missing);
  const ExitCode code = run.train();
  std::puts(directory.path().c_str());
  return code;
}

}  // namespace ddpm
