// Goes through sets of images, real ones and those that a model draws, and summarises them.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>

#include "ddpm/base/progress.h"
#include "ddpm/data/image_store.h"
#include "ddpm/evaluation/image_summary.h"
#include "ddpm/sampling/job.h"

namespace ddpm {

// What is measured of images, and how.
struct Measures {
  const FeatureExtractor* extractor = nullptr;  // null: no features
  bool patches = false;
  torch::Device device = torch::kCPU;
  ProgressStyle progress = ProgressStyle::kOff;
};

// Summarises `count` images of the store, or all if there are fewer or it is 0, in an order that is
// random and always the same. With `cache`, a folder, features are taken from a file there, or
// written to it; they do not have logits then. Throws DataError for latents, and
// Error(kInterrupted) after a signal.
ImageSummary summarize_store(const ImageStore& store, std::int64_t count, const Measures& measures,
                             const std::optional<std::filesystem::path>& cache = std::nullopt);

// Draws the images of the request, and summarises them as they come; nothing is written. Images are
// rounded to pixel values, as files hold them. Throws what sample_images throws, and
// Error(stop_exit_code()) after a signal.
ImageSummary summarize_samples(const LoadedModel& model, SampleRequest request,
                               const Measures& measures);

}  // namespace ddpm
