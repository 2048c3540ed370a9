// Measures the images of a network in training. Private to this folder.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/evaluation/features.h"
#include "ddpm/evaluation/scores.h"
#include "ddpm/training/prepare.h"
#include "ddpm/training/trainer.h"
#include "image_drawer.h"

namespace ddpm {

class Evaluator {
 public:
  // Loads the network for features and measures the images to compare with; evaluation.* says which.
  // `config` must outlive this object. Throws CheckpointError and DataError.
  Evaluator(const Config& config, const Prepared& prepared);

  // Draws evaluation.count images with the averaged weights and measures them. `stop` is asked after
  // each sampling step; if it returns true, there are no scores. Throws DeviceError and DataError.
  std::vector<Score> evaluate(Trainer& trainer, const std::function<bool()>& stop) const;

 private:
  const Config& config_;
  std::vector<Metric> metrics_;
  std::optional<FeatureExtractor> extractor_;
  Reference reference_;
  ImageDrawer drawer_;
};

}  // namespace ddpm
