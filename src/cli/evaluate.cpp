#include <algorithm>

#include "ddpm/base/signals.h"
#include "ddpm/base/text.h"
#include "ddpm/config/data_source.h"
#include "ddpm/config/samplers.h"
#include "ddpm/config/validate.h"
#include "ddpm/data/load.h"
#include "ddpm/evaluation/bits_per_dim.h"
#include "ddpm/evaluation/scores.h"
#include "ddpm/evaluation/statistics_file.h"
#include "ddpm/evaluation/summarize.h"
#include "drawing.h"
#include "score_table.h"

namespace ddpm::cli {
namespace {

constexpr const char* kCount = "10000";
constexpr std::int64_t kNllCount = 1000;

struct EvaluateOptions {
  DrawingOptions drawing;
  std::vector<std::string> models, images, metrics;
  std::string data, statistics, write_statistics, features;
  std::string resize{name_of(InceptionResize::kTorchFidelity)};
  std::int64_t reference_count = 0;
  std::optional<std::int64_t> nll_count;
  bool compare_samplers = false, json = false;
  std::vector<std::int64_t> compare_steps = {10, 20, 50};
};

// --- What is asked for -----------------------------------------------------------------------------

void check_options(const EvaluateOptions& options) {
  if (!options.images.empty() && (!options.models.empty() || options.compare_samplers))
    throw ConfigError("--images: these images are evaluated, and none are drawn by a model");
  if (!options.images.empty() && options.data.empty() && options.statistics.empty())
    throw ConfigError("--images: give the images to compare with by --data, or --statistics");
  if (!options.data.empty() && !options.statistics.empty())
    throw ConfigError("--data and --statistics: both say what to compare with");
  if (options.compare_samplers &&
      (options.drawing.sampling.sampler || options.drawing.sampling.steps))
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
    if (metric == Metric::kIs && !extractor->has_logits)
      throw ConfigError("is: the inception score needs a network with classes, which is Inception");
    if (statistics && (needs_each_feature(metric) || metric == Metric::kSwd))
      throw ConfigError(format_text(
          "{}: statistics are only a mean and a covariance; give the images with --data", metric));
    if (metric == Metric::kNll && (statistics || !options.images.empty()))
      throw ConfigError("nll: a likelihood is that of a model for images; give both");
  }
  return metrics;
}

// Throws DataError where the user asks for more images than there are.
void require_count(const ImageStore& store, const char* option, std::int64_t count) {
  if (store.count() < count)
    throw DataError(format_text("{} {}: {} has only {}", option, count, store.info().source,
                                counted(store.count(), "image")));
}

// The images at `path`, with the data settings of `config`.
DataConfig data_at(const std::string& path, DataConfig data) {
  data.path = path;
  data.source = source_of_path(path);
  return data;
}

// --- The work --------------------------------------------------------------------------------------

class Evaluation {
 public:
  explicit Evaluation(const EvaluateOptions& options);

  void evaluate_images(const std::string& path);
  void evaluate_model(const std::string& path);
  void compare_samplers(const std::string& path);

  ScoreTable table() const;

 private:
  bool has(Metric metric) const { return std::ranges::find(metrics_, metric) != metrics_.end(); }
  Measures measures() const;
  // The images to compare with; loaded when they differ from those of the last call.
  void load_reference(const DataConfig& data);
  DataConfig reference_of(const Config& config, const std::string& model) const;
  Drawing open(const std::string& path) const;
  void evaluate_drawing(Drawing& drawing, const std::string& name);
  void add_likelihood(const LoadedModel& model, ScoreRow& row) const;

  const EvaluateOptions& options_;
  Runtime runtime_;
  std::optional<FeatureExtractor> extractor_;
  std::vector<Metric> metrics_;
  std::string data_;                 // settings of the images to compare with
  std::optional<ImageStore> store_;  // those images
  Reference reference_;
  std::vector<ScoreRow> rows_;
};

Runtime runtime_of(const CommonOptions& common) {
  const RunConfig run = apply_overrides({}, common.overrides()).run;
  return set_up_runtime({.device = run.device,
                         .precision = run.precision,
                         .threads = run.threads,
                         .deterministic = run.deterministic});
}

Evaluation::Evaluation(const EvaluateOptions& options)
    : options_(options), runtime_(runtime_of(options.drawing.common)) {
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
  if (reference_.statistics) return;
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
  reference_.images =
      summarize_store(*store_, options_.reference_count, wanted, cache_folder(data.cache));
  if (!options_.write_statistics.empty()) {
    write_statistics(options_.write_statistics,
                     statistics_of(reference_.images->features.features));
    log_info("mean and covariance are written to {}", options_.write_statistics);
  }
}

// --data, or what the model was trained with.
DataConfig Evaluation::reference_of(const Config& config, const std::string& model) const {
  if (!options_.data.empty()) return data_at(options_.data, config.data);
  const bool trained_here = config.data.source != DataSource::kEmbedded ||
                            (fs::is_directory(model) && config.data.channels == 1);
  if (!trained_here)
    throw ConfigError(format_text(
        "{}: this model's files do not say what it was trained with; give images to compare with by "
        "--data, or --statistics",
        model));
  return config.data;
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
                   {{"sampling.count", kCount, "the default of --count"}});
  deal_evenly(drawing.overrides, drawing.classes.size(), drawing.model.config);
  return drawing;
}

void Evaluation::add_likelihood(const LoadedModel& model, ScoreRow& row) const {
  if (!has(Metric::kNll)) return;
  const BitsPerDim bits =
      bits_per_dim(model, *store_, options_.nll_count.value_or(kNllCount), measures().progress);
  row.scores.push_back({"nll", bits.total()});
  row.scores.push_back({"nll_distortion", bits.terms.front()});
  row.likelihood_terms = bits.terms;
  row.likelihood_terms.push_back(bits.prior);
}

void Evaluation::evaluate_drawing(Drawing& drawing, const std::string& name) {
  const Config& config = drawing.model.config;
  ScoreRow row{
      .name = name,
      .count = config.sampling.count,
      .sampler = config.sampling.sampler,
      .steps = config.sampling.steps > 0 ? config.sampling.steps : config.diffusion.timesteps,
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

void Evaluation::evaluate_model(const std::string& path) {
  Drawing drawing = open(path);
  load_reference(reference_of(drawing.model.config, drawing.model.path));
  evaluate_drawing(drawing, drawing.model.path);
}

// Of the samplers that add no noise, those that are good with few steps; and the two that do.
constexpr SamplerKind kCompared[] = {SamplerKind::kDdim,           SamplerKind::kDpmSolver2m,
                                     SamplerKind::kDpmSolver3m,    SamplerKind::kUnipc,
                                     SamplerKind::kDeis,           SamplerKind::kHeun,
                                     SamplerKind::kEulerAncestral, SamplerKind::kDdpm};

void Evaluation::compare_samplers(const std::string& path) {
  Drawing drawing = open(path);
  Config& config = drawing.model.config;
  load_reference(reference_of(config, drawing.model.path));
  for (const SamplerKind sampler : kCompared)
    for (const std::int64_t steps : options_.compare_steps) {
      if (steps > config.diffusion.timesteps)
        throw ConfigError(format_text("--compare-steps {}: the model has {}", steps,
                                      counted(config.diffusion.timesteps, "timestep")));
      config.sampling.sampler = sampler;
      config.sampling.steps = steps;
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

ExitCode run_evaluate(const EvaluateOptions& options) {
  check_options(options);
  Evaluation evaluation(options);
  for (const std::string& path : options.images) evaluation.evaluate_images(path);
  std::vector<std::string> models = options.models;
  if (models.empty() && options.images.empty()) models.emplace_back();  // the newest run
  for (const std::string& path : models) {
    if (options.compare_samplers)
      evaluation.compare_samplers(path);
    else
      evaluation.evaluate_model(path);
  }
  print(evaluation.table(), options.json);
  return ExitCode::kSuccess;
}

// --- Options ---------------------------------------------------------------------------------------

void add_set_options(CLI::App& command, EvaluateOptions& options) {
  constexpr const char* kGroup = "Images";
  command
      .add_option("--images", options.images,
                  "Evaluate these images instead of a model's: folders, or files that hold images; "
                  "several are evaluated one after the other")
      ->type_name("PATH")
      ->group(kGroup);
  command
      .add_option(
          "--data", options.data,
          "Images to compare with: a folder, or a file that holds images [what the model was "
          "trained with]")
      ->type_name("PATH")
      ->group(kGroup);
  command
      .add_option("--statistics", options.statistics,
                  "Compare with the mean and covariance of this file, as pytorch-fid and clean-fid "
                  "write them (arrays mu and sigma)")
      ->type_name("FILE.npz")
      ->group(kGroup);
  command
      .add_option("--write-statistics", options.write_statistics,
                  "Write the mean and covariance of the images to compare with")
      ->type_name("FILE.npz")
      ->group(kGroup);
  command
      .add_option("--reference-count", options.reference_count,
                  "Compare with so many images, chosen at random [all]")
      ->check(at_least(2))
      ->type_name("N")
      ->group(kGroup);
}

void add_metric_options(CLI::App& command, EvaluateOptions& options) {
  constexpr const char* kGroup = "Metrics";
  command
      .add_option(
          "--metrics", options.metrics,
          format_text("A list with commas of {}; see docs/evaluation.md [fid, kid, is and prdc, as "
                      "far as the network and what is compared with allow; without a network swd]",
                      join_names(kChoiceNames<Metric>)))
      ->delimiter(',')
      ->type_name("LIST")
      ->group(kGroup);
  command
      .add_option("--features", options.features,
                  "Network for features: weights of Inception-v3 as pytorch-fid and torch-fidelity "
                  "have them, or a TorchScript program, which is run, so it must be one that you "
                  "trust [where these two have left the weights, if they have]")
      ->type_name("FILE")
      ->group(kGroup);
  command
      .add_option("--resize", options.resize,
                  format_text("Enlarge images for Inception as this program does: {} [{}]",
                              join_names(kChoiceNames<InceptionResize>), options.resize))
      ->type_name("NAME")
      ->group(kGroup);
  command
      .add_option(
          "--nll-count", options.nll_count,
          format_text("Real images of the likelihood, chosen at random [{}, or all]", kNllCount))
      ->check(at_least(1))
      ->type_name("N")
      ->group(kGroup);
  command
      .add_flag("--compare-samplers", options.compare_samplers,
                "Evaluate the model with several samplers, and list the best first")
      ->group(kGroup);
  command
      .add_option("--compare-steps", options.compare_steps,
                  "With --compare-samplers: the numbers of steps, a list with commas [10,20,50]")
      ->delimiter(',')
      ->check(at_least(1))
      ->type_name("LIST")
      ->group(kGroup);
  command.add_flag("--json", options.json, "Print JSON; docs/formats/evaluate.md has its keys")
      ->group(kGroup);
}

}  // namespace

void add_evaluate(CLI::App& program, Action& action) {
  auto options = std::make_shared<EvaluateOptions>();
  CLI::App* command = program.add_subcommand(
      "evaluate", "Measure how good the images of models are: FID and others");
  DrawingOptions& drawing = options->drawing;
  command
      ->add_option("models,--model", options->models,
                   model_help() +
                       "; several are evaluated one after the other [the newest run in "
                       "runs/]")
      ->type_name("PATH")
      ->group("Model");
  add_weights_options(*command, drawing.model);
  add_set_options(*command, *options);
  add_metric_options(*command, *options);
  add_sampler_options(*command, drawing.sampling);
  add_count_options(*command, drawing.sampling,
                    format_text("Images to draw [{}], or to take from --images [all]", kCount));
  add_class_options(*command, drawing.sampling);
  add_guidance_options(*command, drawing.sampling);
  add_common_drawing_options(*command, drawing);
  command->footer(
      examples({"ddpm evaluate runs/cifar10 --features pt_inception-2015-12-05-6726825d.pth",
                "ddpm evaluate runs/a runs/b --sampler ddim --steps 50 --count 50000 --metrics fid",
                "ddpm evaluate --images samples --data photos --metrics fid,kid",
                "ddpm evaluate runs/cifar10 --metrics nll --data held-out",
                "ddpm evaluate runs/cifar10 --compare-samplers --compare-steps 10,20"}));
  command->callback([&action, options] {
    action = [options] {
      set_up_logging(options->drawing.common.log);
      handle_stop_requests();
      return run_evaluate(*options);
    };
  });
}

}  // namespace ddpm::cli
