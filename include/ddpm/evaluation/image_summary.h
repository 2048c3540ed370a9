// What is kept of a set of images to compare it with others. The images themselves are not kept.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "ddpm/evaluation/features.h"
#include "ddpm/evaluation/sliced_wasserstein.h"

namespace ddpm {

struct ImageSummary {
  std::int64_t count = 0;  // images
  Features features;       // of all images; undefined without a network
  PyramidPatches patches;  // empty if they were not asked for
};

class ImageSummarizer {
 public:
  // `images`: how many will come. `extractor` may be null, and must outlive this object.
  ImageSummarizer(const FeatureExtractor* extractor, bool patches, std::int64_t images);

  // pixels: uint8 [N,C,H,W] on the extractor's device.
  void add(const torch::Tensor& pixels);

  std::int64_t count() const { return count_; }
  ImageSummary finish() const;

 private:
  const FeatureExtractor* extractor_;
  std::optional<PatchCollector> patches_;
  std::int64_t count_ = 0;
  std::vector<torch::Tensor> features_, logits_;
};

}  // namespace ddpm
