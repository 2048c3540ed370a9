#include "ddpm/config/validate.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/host.h"
#include "ddpm/base/text.h"
#include "ddpm/config/fields.h"
#include "ddpm/config/samplers.h"
#include "problems.h"

namespace ddpm {
namespace {

void check_run(const RunConfig& run, Problems& problems) {
  const bool is_plain = !run.name.empty() && run.name != "." && run.name != ".." &&
                        run.name.find('/') == std::string::npos && run.name.size() <= 200;
  if (!is_plain)
    problems.add({"run.name"},
                 "this must be a plain folder name, at most 200 bytes and without '/'; the folder "
                 "around it is run.directory");
  if (run.directory.empty())
    problems.add({"run.directory"}, "this must name a folder; '.' is the current one");
}

void check_diffusion(const Config& config, Problems& problems) {
  const DiffusionConfig& diffusion = config.diffusion;
  const bool learned =
      diffusion.variance == Variance::kLearnedRange || diffusion.variance == Variance::kLearned;
  if (learned && !config.model.predicts_variance)
    problems.add({"diffusion.variance", "model.predicts_variance"},
                 "a learned variance needs a network that predicts it; set "
                 "model.predicts_variance=true, or diffusion.variance=fixed_large");
  if (config.model.time_embedding == TimeEmbeddingKind::kLearned &&
      config.model.time_table < diffusion.timesteps)
    problems.add({"model.time_table", "diffusion.timesteps"},
                 "a learned time embedding needs a row for every timestep");
  if (diffusion.zero_terminal_snr && diffusion.prediction_type == Prediction::kNoise)
    problems.add({"diffusion.zero_terminal_snr", "diffusion.prediction_type"},
                 "at the last timestep there is only noise, and predicting it says nothing about "
                 "the image; set diffusion.prediction_type=v_prediction or sample");
  if (diffusion.zero_terminal_snr && diffusion.timesteps == 1)
    problems.add({"diffusion.zero_terminal_snr", "diffusion.timesteps"},
                 "the first timestep keeps its noise level, so there must be at least 2 timesteps");
  if (diffusion.dynamic_threshold > 0 && config.data.range != PixelRange::kSymmetric)
    problems.add({"diffusion.dynamic_threshold", "data.range"},
                 "thresholds are for images in [-1, 1]; set data.range=symmetric, or no threshold");
  if (diffusion.beta_start > diffusion.beta_end)
    problems.add({"diffusion.beta_start", "diffusion.beta_end"},
                 "the noise must not decrease along the process; swap them");
}

// The metric that gives the number.
Metric metric_of(Criterion criterion) {
  switch (criterion) {
    case Criterion::kLoss:
    case Criterion::kFid:
      return Metric::kFid;
    case Criterion::kKid:
      return Metric::kKid;
    case Criterion::kIs:
      return Metric::kIs;
    case Criterion::kPrecision:
    case Criterion::kRecall:
    case Criterion::kDensity:
    case Criterion::kCoverage:
      return Metric::kPrdc;
    case Criterion::kSwd:
      return Metric::kSwd;
  }
  return Metric::kFid;
}

void check_evaluation(const Config& config, Problems& problems) {
  const EvaluationConfig& evaluation = config.evaluation;
  if (evaluation.every > 0 && config.data.source == DataSource::kLatents)
    problems.add({"evaluation.every", "data.source"},
                 "latents are not pixels, so they are not measured during training; set "
                 "evaluation.every=0");
  std::vector<Metric> metrics;
  for (const std::string& name : evaluation.metrics) {
    const std::optional<Metric> metric = parse_choice<Metric>(name);
    if (!metric || *metric == Metric::kNll) {
      problems.add(
          {"evaluation.metrics"},
          format_text("there is no '{}' during training; choose from fid, kid, is, prdc, swd",
                      shorten(name)));
      return;
    }
    metrics.push_back(*metric);
  }
  const auto has = [&](Metric metric) {
    return std::ranges::find(metrics, metric) != metrics.end();
  };
  if (std::ranges::any_of(metrics, needs_features) && evaluation.features.empty())
    problems.add({"evaluation.metrics", "evaluation.features"},
                 "all metrics but swd compare features of a network; name its file");
  // The parts of an inception score, and the neighbours of a point (evaluation/distances.h).
  if ((has(Metric::kIs) && evaluation.count < 10) || (has(Metric::kPrdc) && evaluation.count < 6))
    problems.add({"evaluation.metrics", "evaluation.count"},
                 "is needs at least 10 images, and prdc 6");
  if (evaluation.best_by == Criterion::kLoss) return;
  const TrainingConfig& training = config.training;
  if (evaluation.every == 0 || !has(metric_of(evaluation.best_by)))
    problems.add({"evaluation.best_by", "evaluation.every", "evaluation.metrics"},
                 "this number is not measured; add its metric, and say how often");
  else if (training.checkpoint_every % evaluation.every != 0)
    problems.add(
        {"evaluation.best_by", "evaluation.every", "training.checkpoint_every"},
        "only a checkpoint whose images are measured can be the best, so checkpoint_every must "
        "be a multiple of evaluation.every");
}

// Latents are no pixels: they have no range, and their mirror images are not those of the pictures.
void check_latents(const Config& config, Problems& problems) {
  if (config.data.source != DataSource::kLatents) return;
  if (config.diffusion.clip_x0 || config.diffusion.dynamic_threshold > 0)
    problems.add({"data.source", "diffusion.clip_x0", "diffusion.dynamic_threshold"},
                 "latents have no range to clip to; set diffusion.clip_x0=false and "
                 "diffusion.dynamic_threshold=0");
  if (config.data.horizontal_flip || config.data.crop == Crop::kRandom)
    problems.add({"data.source", "data.horizontal_flip", "data.crop"},
                 "latents cannot be mirrored or cropped; set data.horizontal_flip=false and "
                 "data.crop=center");
  if (config.training.sample_every > 0)
    problems.add({"data.source", "training.sample_every"},
                 "without their autoencoder latents cannot be shown while training; set "
                 "training.sample_every=0");
}

void check_data(const Config& config, Problems& problems) {
  const DataConfig& data = config.data;
  // A missing side is as long as the other.
  const std::int64_t height = data.height > 0 ? data.height : data.width;
  const std::int64_t width = data.width > 0 ? data.width : data.height;
  if (height == 0) {  // the data decide, and check_image_size is called once they are known
    if (data.crop == Crop::kRandom)
      problems.add({"data.crop", "data.height", "data.width"},
                   "a random crop needs a size; set data.height or data.width");
    return;
  }
  const std::string problem = image_size_problem(config.model, height, width);
  if (!problem.empty())
    problems.add({"data.height", "data.width", "model.width_multipliers"}, problem);
}

void check_training(const Config& config, Problems& problems) {
  const TrainingConfig& training = config.training;
  if (training.label_dropout > 0 && !config.model.null_class)
    problems.add({"training.label_dropout", "model.null_class"},
                 "a dropped label becomes the null class; set model.null_class=true, or "
                 "training.label_dropout=0");
  if (training.batch_size % training.micro_batches != 0)
    problems.add({"training.micro_batches", "training.batch_size"},
                 format_text("a batch must split evenly; set training.micro_batches={}",
                             largest_divisor(training.batch_size, training.micro_batches)));
}

void check_guidance(const SamplingConfig& sampling, Problems& problems) {
  if (sampling.guidance_high > 0 && sampling.guidance_high <= sampling.guidance_low)
    problems.add({"sampling.guidance_low", "sampling.guidance_high"},
                 "the interval of noise levels is empty; set sampling.guidance_high to a larger "
                 "number, or to 0 for no limit");
}

void check_sampler(const SamplingConfig& sampling, Problems& problems) {
  const SamplerFacts& facts = facts_of(sampling.sampler);
  if (sampling.sigmas != SigmaSpacing::kSchedule && !facts.takes_sigmas)
    problems.add({"sampling.sigmas", "sampling.sampler"},
                 format_text("the sampler {} visits timesteps and takes their noise levels; set "
                             "sampling.sigmas=schedule, or choose one of the samplers {}",
                             sampling.sampler, join(samplers_with_sigmas())));
  if (sampling.sigma_max > 0 && sampling.sigma_max <= sampling.sigma_min)
    problems.add(
        {"sampling.sigma_min", "sampling.sigma_max"},
        "the noise levels must descend; set sampling.sigma_max to a larger number, or to 0 for "
        "that of the process");
  if (sampling.churn > 0 && !facts.takes_churn)
    problems.add({"sampling.churn", "sampling.sampler"},
                 format_text("the sampler {} has no churn; set sampling.churn=0, or choose {}",
                             sampling.sampler, join(samplers_with_churn(), ", ", " or ")));
  if (sampling.churn_high > 0 && sampling.churn_high < sampling.churn_low)
    problems.add({"sampling.churn_low", "sampling.churn_high"},
                 "the interval of noise levels is empty; set sampling.churn_high to a larger "
                 "number, or to 0 for no limit");
}

void check_timesteps(const Config& config, Problems& problems) {
  const std::vector<std::int64_t>& times = config.sampling.timesteps;
  if (times.empty()) return;
  if (times.front() >= config.diffusion.timesteps)
    problems.add({"sampling.timesteps", "diffusion.timesteps"},
                 format_text("the timesteps are 0 to {}", config.diffusion.timesteps - 1));
  const auto rise = std::ranges::adjacent_find(times, std::ranges::less_equal());
  if (rise != times.end())
    problems.add({"sampling.timesteps"},
                 format_text("{} comes after {}, but timesteps must descend, such as 999,800,500,0",
                             rise[1], rise[0]));
  if (config.sampling.sigmas != SigmaSpacing::kSchedule)
    problems.add({"sampling.timesteps", "sampling.sigmas"},
                 "both choose the noise levels; set sampling.sigmas=schedule");
}

void check_steps(const Config& config, Problems& problems) {
  const std::int64_t timesteps = config.diffusion.timesteps;
  if (config.sampling.steps > timesteps)
    problems.add({"sampling.steps", "diffusion.timesteps"},
                 format_text("sampling cannot have more steps than the diffusion process; set "
                             "sampling.steps={}, or 0 for all",
                             timesteps));
}

}  // namespace

void Problems::add(const std::vector<std::string>& keys, const std::string& reason) {
  std::vector<std::string> settings;
  settings.reserve(keys.size());
  for (const std::string& key : keys) settings.push_back(setting(key));
  problems_.push_back(join(settings, ", ", " and ") + ": " + reason);
}

void Problems::throw_if_any() const {
  if (problems_.size() == 1) throw ConfigError("config: " + problems_.front());
  if (!problems_.empty())
    throw ConfigError("config: these settings do not fit together:\n  " + join(problems_, "\n  "));
}

// "model.groups = 32 (a.json:3)".
std::string Problems::setting(const std::string& key) const {
  const auto origin = origins_.find(key);
  return format_text("{} = {}{}", key, shorten(value_text(find_field(key)->value(config_))),
                     origin == origins_.end() ? "" : " (" + origin->second + ")");
}

void validate(const Config& config, const Origins& origins) {
  Problems problems(config, origins);
  check_run(config.run, problems);
  check_model(config.model, problems);
  check_diffusion(config, problems);
  check_data(config, problems);
  check_latents(config, problems);
  check_evaluation(config, problems);
  check_training(config, problems);
  check_sampler(config.sampling, problems);
  check_guidance(config.sampling, problems);
  check_timesteps(config, problems);
  check_steps(config, problems);
  problems.throw_if_any();
}

void check_predicts_image(const Config& config, std::int64_t beside) {
  const std::int64_t all = config.model.in_channels, channels = config.data.channels;
  if (all > 0 && all != channels + beside)
    throw ConfigError(format_text(
        "config: model.in_channels = {}: the network needs more than an image, so it cannot be "
        "trained or sampled from; ddpm inpaint draws with Stable Diffusion's for inpainting, and ddpm "
        "denoise evaluates any",
        all));
  const std::int64_t out = config.model.out_channels, in = channels;
  if (out > 0 && in > 0 && out != in)
    throw ConfigError(format_text(
        "config: model.out_channels = {}: the output of this network is not a prediction of its "
        "input, which has {}, so it cannot be trained or sampled from; ddpm denoise can evaluate "
        "it",
        out, counted(in, "channel")));
}

void check_trainable(const Config& config) {
  check_predicts_image(config);
  const ModelConfig& model = config.model;
  if (model.time_embedding == TimeEmbeddingKind::kFourier)
    throw ConfigError(
        "config: model.time_embedding = \"fourier\": such a network has no timestep 0, which "
        "training needs; it can be sampled from");
  if (model.class_embedding == ClassEmbeddingKind::kIdentity)
    throw ConfigError(
        "config: model.class_embedding = \"identity\": such a network needs a vector for each "
        "image, but data sets have labels; ddpm denoise can evaluate it");
  if (model.vector_width > 0)
    throw ConfigError(format_text(
        "config: model.vector_width = {}: such a network needs a vector for each image, which data "
        "sets do not have; ddpm denoise can evaluate it",
        model.vector_width));
  if (model.context_width > 0 && config.data.context.empty())
    throw ConfigError(format_text(
        "config: model.context_width = {}: the network attends to a context of each image; set "
        "data.context to the file that has them (docs/formats/contexts.md)",
        model.context_width));
  if (model.context_width == 0 && !config.data.context.empty())
    throw ConfigError(format_text(
        "config: data.context = \"{}\": the network has no transformers, which attend to contexts; "
        "set model.context_width and model.transformer_depth, or leave data.context out",
        shorten(config.data.context)));
  if (model.class_embedding != ClassEmbeddingKind::kNone && model.classes == 0)
    throw ConfigError(
        "config: model.classes = 0: training a class-conditional network needs the number of "
        "classes");
  if (model.predicts_variance && config.diffusion.variance != Variance::kLearnedRange)
    throw ConfigError(
        format_text("config: diffusion.variance = \"{}\": a network that predicts its variance is "
                    "trained as learned_range; set diffusion.variance=learned_range, or "
                    "model.predicts_variance=false",
                    config.diffusion.variance));
}

void check_data_path(const DataConfig& data) {
  if (data.source == DataSource::kEmbedded) {
    if (data.path.empty()) return;
    throw ConfigError(
        format_text("config: data.source = \"embedded\" and data.path = \"{}\": the pictures "
                    "inside the program have no path; leave out one of the two",
                    shorten(data.path)));
  }
  if (data.path.empty())
    throw ConfigError(
        format_text("config: data.source = \"{}\" needs data.path, the file or folder "
                    "with the images; give it with --set data.path=PATH",
                    data.source));
  if (path_exists(data.path)) return;
  throw DataError(format_text("data.path: '{}' does not exist{}", shorten(data.path, 1000),
                              home_advice(data.path)));
}

}  // namespace ddpm
