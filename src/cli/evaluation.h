// The work of `ddpm evaluate`.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "ddpm/data/image_store.h"
#include "ddpm/evaluation/features.h"
#include "ddpm/evaluation/scores.h"
#include "ddpm/evaluation/summarize.h"
#include "drawing.h"
#include "score_table.h"

namespace ddpm::cli {

// Without --count and --nll-count.
inline constexpr const char* kDefaultCount = "10000";
inline constexpr std::int64_t kDefaultNllCount = 1000;

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

// What is measured of models and sets of images, one after the other, and what they are compared with.
class Evaluation {
 public:
  // Opens the network for features. The options must outlive this object. Throws ConfigError for options
  // that contradict each other, DataError for a metric without a network, and CheckpointError.
  explicit Evaluation(const EvaluateOptions& options);

  // Each adds rows to the table. They throw what loading models and images throws, ConfigError where nothing
  // says what to compare with, and DataError where there are fewer images than asked for.
  void evaluate_images(const std::string& path);
  void evaluate_model(const std::string& path);
  void compare_samplers(const std::string& path);

  ScoreTable table() const;

 private:
  bool has(Metric metric) const { return std::ranges::find(metrics_, metric) != metrics_.end(); }
  Measures measures() const;
  // The images to compare with; loaded when they differ from those of the last call.
  void load_reference(const DataConfig& data);
  DataConfig data_for(const LoadedModel& model) const;
  void load_reference_for(const LoadedModel& model);
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

}  // namespace ddpm::cli
