#include "ddpm/evaluation/scores.h"

#include <algorithm>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"

namespace ddpm {
namespace {

// A covariance of fewer images than dimensions is singular, and the distance is far too large.
void warn_of_few(const char* which, const FeatureStatistics& statistics) {
  const std::int64_t dimensions = statistics.mean.size(0);
  if (statistics.count == 0 || statistics.count > dimensions) return;
  log_warning(
      "fid: {} {} are too few for features of {} dimensions: the distance is much too large, and can "
      "only be compared with others of as many images",
      counted(statistics.count, "image"), which, dimensions);
}

const ImageSummary& images_of(const Reference& reference, Metric metric) {
  if (!reference.images)
    throw ConfigError(format_text(
        "{}: a file of statistics has only a mean and a covariance; give the images with --data",
        metric));
  return *reference.images;
}

void append(std::vector<Score>& scores, Metric metric, const ImageSummary& images,
            const Reference& reference) {
  const torch::Tensor& features = images.features.features;
  const auto add = [&](const std::string& name, double value) { scores.push_back({name, value}); };
  const auto add_parts = [&](const std::string& name, const MeanOfParts& parts) {
    add(name, parts.mean);
    add(name + "_std", parts.deviation);
  };
  switch (metric) {
    case Metric::kFid: {
      const FeatureStatistics own = statistics_of(features);
      const FeatureStatistics& real = reference.statistics.value();
      warn_of_few("to evaluate", own);
      warn_of_few("to compare with", real);
      return add("fid", frechet_distance(own, real));
    }
    case Metric::kKid:
      return add_parts("kid",
                       kernel_distance(features, images_of(reference, metric).features.features));
    case Metric::kIs:
      return add_parts("is", inception_score(images.features.logits));
    case Metric::kPrdc: {
      const Coverage coverage =
          coverage_of(images_of(reference, metric).features.features, features);
      add("precision", coverage.precision);
      add("recall", coverage.recall);
      add("density", coverage.density);
      return add("coverage", coverage.coverage);
    }
    case Metric::kSwd: {
      const std::vector<double> distances =
          sliced_wasserstein(images.patches, images_of(reference, metric).patches);
      double sum = 0;
      for (const double distance : distances) sum += distance;
      add("swd", sum / static_cast<double>(distances.size()));
      for (std::size_t level = 0; level < distances.size(); ++level)
        add(format_text("swd_{}", images.patches.sides[level]), distances[level]);
      return;
    }
    case Metric::kNll:
      return;
  }
}

}  // namespace

std::vector<Metric> parse_metrics(std::string_view option, std::span<const std::string> names) {
  std::vector<Metric> metrics;
  for (const std::string& name : names) {
    const auto metric = choose<Metric>(option, name);
    if (std::ranges::find(metrics, metric) != metrics.end())
      throw ConfigError(format_text("{}: {} is named twice", option, metric));
    metrics.push_back(metric);
  }
  return metrics;
}

Reference reference_of(ImageSummary images, std::span<const Metric> metrics) {
  Reference reference;
  if (std::ranges::find(metrics, Metric::kFid) != metrics.end())
    reference.statistics = statistics_of(images.features.features);
  reference.images = std::move(images);
  return reference;
}

void check_metrics(std::span<const Metric> metrics, const FeatureExtractor* extractor) {
  const bool classes = std::ranges::find(metrics, Metric::kIs) != metrics.end();
  if (classes && extractor != nullptr && !extractor->has_logits)
    throw ConfigError("is: the inception score needs a network with classes, which is Inception");
}

std::vector<Score> scores_of(const ImageSummary& images, const Reference& reference,
                             std::span<const Metric> metrics) {
  std::vector<Score> scores;
  for (const Metric metric : metrics) append(scores, metric, images, reference);
  return scores;
}

}  // namespace ddpm
