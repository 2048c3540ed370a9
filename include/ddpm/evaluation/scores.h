// The scores of sets of images, and of images that are compared with them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ddpm/config/choices.h"
#include "ddpm/evaluation/distances.h"
#include "ddpm/evaluation/image_summary.h"

namespace ddpm {

// Whether the metric needs the features of each real image: their statistics do not do.
constexpr bool needs_each_feature(Metric metric) {
  return metric == Metric::kKid || metric == Metric::kPrdc;
}

// The metrics of an option. Throws ConfigError for an unknown or repeated name.
std::vector<Metric> parse_metrics(std::string_view option, std::span<const std::string> names);

// The images to compare with: their summary, of which the statistics are computed once, or the statistics of
// a file.
struct Reference {
  std::optional<ImageSummary> images;
  std::optional<FeatureStatistics> statistics;  // for fid
};
Reference reference_of(ImageSummary images, std::span<const Metric> metrics);

// Throws ConfigError for a metric that the network, which may be null, cannot give.
void check_metrics(std::span<const Metric> metrics, const FeatureExtractor* extractor);

// A number of the table: its name, which is a key in JSON, and its value.
struct Score {
  std::string name;  // "fid", "kid", "kid_std", "precision", "swd_32"
  double value;
};

// The scores in the order of the metrics; nll is not among them. Throws DataError where a set is too
// small for a metric, and ConfigError for a metric that the reference does not allow. check_metrics must
// have passed.
std::vector<Score> scores_of(const ImageSummary& images, const Reference& reference,
                             std::span<const Metric> metrics);

}  // namespace ddpm
