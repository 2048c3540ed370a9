#include "run_log.h"

#include <cmath>
#include <vector>

#include "ddpm/base/file.h"
#include "ddpm/base/text.h"
#include "ddpm/config/loader.h"
#include "ddpm/image/codec.h"
#include "ddpm/image/plot.h"
#include "ddpm/training/schedules.h"

namespace ddpm {

RunLog::RunLog(const Config& config, const RunDirectory& directory, const Trainer& trainer,
               ProgressStyle style)
    : config_(config),
      directory_(directory),
      trainer_(trainer),
      first_step_(trainer.steps_done()),
      progress_(style, "training", "steps", config.training.steps, first_step_) {
  reopen();
}

void RunLog::reopen() {
  metrics_ = std::make_unique<MetricsWriter>(directory_.metrics());
  if (!config_.run.tensorboard) return;
  const std::int64_t step = trainer_.steps_done();
  events_ = std::make_unique<TensorboardWriter>(directory_.path(), step);
  attempt([&] { events_->add_text(step, "config", "```json\n" + to_json(config_) + "```\n"); });
}

void RunLog::add_line(const TrainingTotals& now, double saving_seconds,
                      std::span<const Score> scores) {
  constexpr std::size_t kRecent = 5;
  const double loss = now.mean_loss_since(logged_);
  if (const std::int64_t skipped = now.skipped - logged_.skipped; skipped > 0)
    log_warning("skipped {} of the last {}: the gradient was not finite, or the loss an outlier",
                counted(skipped, "step"), now.steps - logged_.steps);
  const std::int64_t step = trainer_.steps_done();
  MetricRecord record = {{"step", step},
                         {"images", trainer_.images_seen()},
                         {"loss", loss},
                         {"grad_norm", now.gradient_norm},
                         {"lr", learning_rate(config_.training, step)},
                         {"images_per_second", images_per_second()},
                         {"elapsed_s", watch_.seconds()},
                         {"saving_s", saving_seconds},
                         {"skipped_steps", now.skipped}};
  for (const Score& score : scores) record.emplace_back(score.name, score.value);
  attempt([&] { metrics_->append(record); });
  if (events_) attempt([&] { events_->add_scalars(step, record); });
  if (std::isfinite(loss)) recent_losses_.push_back(loss);
  if (recent_losses_.size() > kRecent) recent_losses_.pop_front();
  logged_ = now;
}

void RunLog::add_samples(const fs::path& png) {
  if (!events_) return;
  const MappedFile file(png);
  const ImageInfo info = read_image_info(file.bytes(), png.string());
  events_->add_image(trainer_.steps_done(), "samples",
                     {.file = file.bytes(),
                      .height = info.height,
                      .width = info.width,
                      .channels = info.channels});
}

bool RunLog::progress_due() const {
  return progress_.due(static_cast<double>(trainer_.steps_done()));
}

void RunLog::show_progress(const TrainingTotals& now) {
  // The loss is the mean since the last line, or that of the last line if no step followed it.
  double loss = now.mean_loss_since(logged_);
  if (std::isnan(loss) && !recent_losses_.empty()) loss = recent_losses_.back();
  progress_.update(static_cast<double>(trainer_.steps_done()),
                   format_text("loss {:.4f}, {:.1f} images/s", loss, images_per_second()));
}

void RunLog::save() {
  attempt([&] { metrics_->sync(); });
  attempt([&] { save_loss_plot(); });
}

void RunLog::save_loss_plot() const {
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

double RunLog::images_per_second() const {
  const auto images =
      static_cast<double>((trainer_.steps_done() - first_step_) * config_.training.batch_size);
  return watch_.seconds() > 0 ? images / watch_.seconds() : 0;
}

std::string RunLog::recent_losses() const {
  std::vector<std::string> texts;
  for (const double loss : recent_losses_) texts.push_back(format_text("{:.4g}", loss));
  return texts.empty() ? "" : "The last losses logged were " + join(texts, ", ") + ". ";
}

}  // namespace ddpm
