#include "evaluation.h"

#include <algorithm>

#include "ddpm/base/text.h"
#include "ddpm/config/data_source.h"
#include "ddpm/config/samplers.h"
#include "ddpm/config/validate.h"
#include "ddpm/data/load.h"
#include "ddpm/evaluation/bits_per_dim.h"
#include "ddpm/evaluation/statistics_file.h"

namespace ddpm::cli {
namespace {

void check_options(const EvaluateOptions& options) {
  if (!options.images.empty() && (!options.models.empty() || options.compare_samplers))
    throw ConfigError("--images: these images are evaluated, and none are drawn by a model");
  if (!options.images.empty() && options.data.empty() && options.statistics.empty())
    throw ConfigError("--images: give the images to compare with by --data, or --statistics");
  if (!options.data.empty() && !options.statistics.empty())
    throw ConfigError("--data and --statistics: both say what to compare with");
  const SamplingOptions& sampling = options.drawing.sampling;
  if (options.compare_samplers &&
      (sampling.sampler || sampling.steps || sampling.timesteps || sampling.sigmas))
    throw ConfigError(
        "--compare-samplers chooses the samplers; say the steps with --compare-steps");
}

std::optional<FeatureExtractor> open_extractor(const EvaluateOptions& options,
                                               const Runtime& runtime) {
  const auto resize = choose<InceptionResize>("--resize", options.resize);
  if (!options.features.empty()) return open_features(options.features, resize, runtime);
  const std::optional<fs::path> found = find_inception();
  if (!found) return std::nullopt;
  log_info("features: {}", shown(*found));
  return open_features(*found, resize, runtime);
}

// The metrics that --metrics names, or those that can be computed.
std::vector<Metric> choose_metrics(const EvaluateOptions& options,
                                   const FeatureExtractor* extractor) {
  constexpr const char* kAdvice =
      "--features FILE names one: pt_inception-2015-12-05-6726825d.pth from the releases of "
      "github.com/mseitzer/pytorch-fid, or a TorchScript program";
  if (options.metrics.empty() && extractor == nullptr) {
    log_info("no network for features, so only patches are compared (swd). {}", kAdvice);
    return {Metric::kSwd};
  }
  const bool statistics = !options.statistics.empty();
  if (options.metrics.empty()) {
    std::vector<Metric> all = {Metric::kFid};
    if (!statistics) all.push_back(Metric::kKid);
    if (extractor->has_logits) all.push_back(Metric::kIs);
    if (!statistics) all.push_back(Metric::kPrdc);
    return all;
  }
  std::vector<Metric> metrics = parse_metrics("--metrics", options.metrics);
  for (const Metric metric : metrics) {
    if (needs_features(metric) && extractor == nullptr)
      throw DataError(format_text("{}: there is no network for features. {}", metric, kAdvice));
    if (statistics && (needs_each_feature(metric) || metric == Metric::kSwd))
      throw ConfigError(format_text(
          "{}: statistics are only a mean and a covariance; give the images with --data", metric));
    if (metric == Metric::kNll && (statistics || !options.images.empty()))
      throw ConfigError("nll: a likelihood is that of a model for images; give both");
  }
  check_metrics(metrics, extractor);
  return metrics;
}

// Throws DataError where the user asks for more images than there are.
void require_count(const ImageStore& store, const char* option, std::int64_t count) {
  if (store.count() < count)
    throw DataError(format_text("{} {}: {} has only {}", option, count, store.info().source,
                                counted(store.count(), "image")));
}

Runtime runtime_of(const CommonOptions& common) {
  return set_up_runtime(runtime_options(apply_overrides({}, common.overrides()).run));
}

// Of the samplers that add no noise, those that are good with few steps; and two that do.
struct Compared {
  SamplerKind sampler;
  bool between_limits = false;
};
constexpr Compared kCompared[] = {{SamplerKind::kDdim},
                                  {SamplerKind::kDpmSolver2m},
                                  {SamplerKind::kDpmSolver2m, true},
                                  {SamplerKind::kDpmSolver3m},
                                  {SamplerKind::kDpmSolver3m, true},
                                  {SamplerKind::kUnipc},
                                  {SamplerKind::kUnipc, true},
                                  {SamplerKind::kDeis},
                                  {SamplerKind::kHeun},
                                  {SamplerKind::kEulerAncestral},
                                  {SamplerKind::kDdpm}};

SamplingConfig sampling_of(const Compared& compared, std::int64_t steps,
                           const SamplingConfig& before) {
  SamplingConfig sampling = with_sampler(before, compared.sampler, steps);
  if (!compared.between_limits) return sampling;
  // The best of those measured (docs/quality.md).
  sampling.sigmas = SigmaSpacing::kKarras;
  sampling.sigma_min = 0.05;
  sampling.sigma_max = 20;
  return sampling;
}

}  // namespace

Evaluation::Evaluation(const EvaluateOptions& options)
    : options_(options), runtime_(runtime_of(options.drawing.common)) {
  check_options(options);
  const bool may_need =
      options.metrics.empty() || !options.write_statistics.empty() ||
      std::ranges::any_of(parse_metrics("--metrics", options.metrics), needs_features);
  if (may_need) extractor_ = open_extractor(options, runtime_);
  metrics_ = choose_metrics(options, extractor_ ? &*extractor_ : nullptr);
  if (!options.write_statistics.empty() && !extractor_)
    throw DataError(
        "--write-statistics: there is no network for features; name one with --features");
  if (!options.statistics.empty()) reference_.statistics = read_statistics(options.statistics);
}

Measures Evaluation::measures() const {
  const bool features = std::ranges::any_of(metrics_, needs_features);
  const CommonOptions& common = options_.drawing.common;
  return {.extractor = features ? &*extractor_ : nullptr,
          .patches = has(Metric::kSwd),
          .device = runtime_.device,
          .progress = common.log.quiet ? ProgressStyle::kOff
                                       : choose<ProgressStyle>("--progress", common.progress)};
}

void Evaluation::load_reference(const DataConfig& data) {
  Config settings;
  settings.data = data;
  if (store_ && to_json(settings) == data_) return;
  data_ = to_json(settings);
  store_.emplace(load_images(data, {.force = options_.drawing.force}));
  log_info("compared with {}: {}", store_->info().source, counted(store_->count(), "image"));
  require_count(*store_, "--reference-count", options_.reference_count);
  require_count(*store_, "--nll-count", has(Metric::kNll) ? options_.nll_count.value_or(0) : 0);
  Measures wanted = measures();
  if (!options_.write_statistics.empty()) wanted.extractor = &*extractor_;
  if (wanted.extractor == nullptr && !wanted.patches) return;  // nll reads the images themselves
  reference_ = ddpm::reference_of(
      summarize_store(*store_, options_.reference_count, wanted, cache_folder(data.cache)),
      metrics_);
  if (!options_.write_statistics.empty()) {
    if (!reference_.statistics)
      reference_.statistics = statistics_of(reference_.images->features.features);
    write_statistics(options_.write_statistics, *reference_.statistics);
    log_info("mean and covariance are written to {}", options_.write_statistics);
  }
}

// --data, or what the model was trained with.
DataConfig Evaluation::data_for(const LoadedModel& model) const {
  if (!options_.data.empty()) return data_at(options_.data, model.config.data);
  const std::optional<Config> run = config_of_run(model.path);
  if (!run)
    throw ConfigError(format_text(
        "{}: this model's files do not say what it was trained with; give images to compare with by "
        "--data, or --statistics",
        shown(model.path)));
  return apply_overrides(*run, options_.drawing.common.overrides()).data;
}

void Evaluation::evaluate_images(const std::string& path) {
  const Config config = apply_overrides({}, options_.drawing.common.overrides());
  if (!options_.data.empty()) load_reference(data_at(options_.data, config.data));
  const DataConfig data = data_at(path, config.data);
  check_data_path(data);
  const ImageStore store = load_images(data, {.force = options_.drawing.force});
  const std::int64_t count = options_.drawing.sampling.count.value_or(0);
  require_count(store, "--count", count);
  const ImageSummary summary = summarize_store(store, count, measures());
  rows_.push_back(
      {.name = path, .count = summary.count, .scores = scores_of(summary, reference_, metrics_)});
}

Drawing Evaluation::open(const std::string& path) const {
  DrawingOptions options = options_.drawing;
  options.model.path = path;
  Drawing drawing =
      open_drawing(options, [](const Config& config) { return config.sampling.batch_size; },
                   {{"sampling.count", kDefaultCount, "the default of --count"}});
  deal_evenly(drawing.overrides, drawing.classes.size(), drawing.model.config);
  return drawing;
}

void Evaluation::add_likelihood(const LoadedModel& model, ScoreRow& row) const {
  if (!has(Metric::kNll)) return;
  const BitsPerDim bits = bits_per_dim(
      model, *store_, options_.nll_count.value_or(kDefaultNllCount), measures().progress);
  row.scores.push_back({"nll", bits.total()});
  row.scores.push_back({"nll_distortion", bits.terms.front()});
  row.likelihood_terms = bits.terms;
  row.likelihood_terms.push_back(bits.prior);
}

void Evaluation::evaluate_drawing(Drawing& drawing, const std::string& name) {
  const Config& config = drawing.model.config;
  ScoreRow row{.name = name,
               .count = config.sampling.count,
               .sampling = config.sampling,
               .steps = step_count(config.sampling, config.diffusion.timesteps),
               .scores = {}};
  const Measures wanted = measures();
  if (wanted.extractor != nullptr || wanted.patches) {
    const ImageSummary summary =
        summarize_samples(drawing.model, request_of(options_.drawing, drawing), wanted);
    row.scores = scores_of(summary, reference_, metrics_);
  }
  add_likelihood(drawing.model, row);
  rows_.push_back(std::move(row));
}

void Evaluation::load_reference_for(const LoadedModel& model) {
  if (options_.statistics.empty()) load_reference(data_for(model));
}

void Evaluation::evaluate_model(const std::string& path) {
  Drawing drawing = open(path);
  load_reference_for(drawing.model);
  evaluate_drawing(drawing, drawing.model.path);
}

void Evaluation::compare_samplers(const std::string& path) {
  Drawing drawing = open(path);
  Config& config = drawing.model.config;
  load_reference_for(drawing.model);
  for (const Compared& compared : kCompared)
    for (const std::int64_t steps : options_.compare_steps) {
      if (steps > config.diffusion.timesteps)
        throw ConfigError(format_text("--compare-steps {}: the model has {}", steps,
                                      counted(config.diffusion.timesteps, "timestep")));
      config.sampling = sampling_of(compared, steps, config.sampling);
      evaluate_drawing(drawing, drawing.model.path);
    }
  std::ranges::stable_sort(rows_, {}, [](const ScoreRow& row) { return row.scores.front().value; });
}

ScoreTable Evaluation::table() const {
  ScoreTable table{.rows = rows_, .published = options_.compare_samplers && has(Metric::kFid)};
  table.features = extractor_ ? extractor_->name : "";
  table.fingerprint = extractor_ ? extractor_->fingerprint : "";
  table.reference = store_ ? store_->info().source : options_.statistics;
  if (reference_.images) table.reference_count = reference_.images->count;
  return table;
}

}  // namespace ddpm::cli
