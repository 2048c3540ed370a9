#include "evaluator.h"

#include <algorithm>

#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/config/data_source.h"
#include "ddpm/config/samplers.h"
#include "ddpm/data/batch.h"
#include "ddpm/data/load.h"
#include "ddpm/evaluation/summarize.h"

namespace ddpm {
namespace {

SamplingConfig sampling_of(const Config& config) {
  SamplingConfig sampling =
      with_sampler(config.sampling, config.evaluation.sampler,
                   std::min(config.evaluation.steps, config.diffusion.timesteps));
  sampling.guidance = 1;  // the images show the network itself
  return sampling;
}

std::optional<FeatureExtractor> extractor_for(const EvaluationConfig& evaluation,
                                              const std::vector<Metric>& metrics,
                                              const Runtime& runtime) {
  if (std::ranges::none_of(metrics, needs_features)) return std::nullopt;
  return open_features(evaluation.features, evaluation.resize, runtime);
}

bool has_patches(const std::vector<Metric>& metrics) {
  return std::ranges::find(metrics, Metric::kSwd) != metrics.end();
}

}  // namespace

Evaluator::Evaluator(const Config& config, const Prepared& prepared)
    : config_(config),
      metrics_(parse_metrics("evaluation.metrics", config.evaluation.metrics)),
      extractor_(extractor_for(config.evaluation, metrics_, prepared.runtime)),
      drawer_(config, sampling_of(config), prepared.runtime.device) {
  check_metrics(metrics_, extractor_ ? &*extractor_ : nullptr);
  const Measures measures{.extractor = extractor_ ? &*extractor_ : nullptr,
                          .patches = has_patches(metrics_),
                          .device = prepared.runtime.device};
  const auto summarize = [&](const ImageStore& images) {
    log_info("evaluation: every {}, {} that are compared with {}",
             counted(config.evaluation.every, "step"), counted(config.evaluation.count, "image"),
             images.info().source);
    reference_ = reference_of(summarize_store(images, config.evaluation.reference_count, measures,
                                              cache_folder(config.data.cache)),
                              metrics_);
  };
  if (config.evaluation.data.empty())
    summarize(prepared.images);
  else
    summarize(load_images(data_at(config.evaluation.data, config.data)));
}

std::vector<Score> Evaluator::evaluate(Trainer& trainer, const std::function<bool()>& stop) const {
  ImageSummarizer summarizer(extractor_ ? &*extractor_ : nullptr, has_patches(metrics_),
                             config_.evaluation.count);
  const auto take = [&](const torch::Tensor& images) {
    summarizer.add(to_pixel_values(images, config_.data.range));
  };
  if (!drawer_.draw(trainer, config_.evaluation.count, config_.sampling.batch_size, stop, take))
    return {};
  return scores_of(summarizer.finish(), reference_, metrics_);
}

}  // namespace ddpm
