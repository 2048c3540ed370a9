// Batches of training images as tensors, and tensors back to images.
#pragma once

#include <cstdint>
#include <vector>

#include <torch/types.h>

#include "ddpm/config/choices.h"
#include "ddpm/data/image_store.h"
#include "ddpm/image/image.h"

namespace ddpm {

struct BatchRequest {
  std::uint64_t first_position = 0;  // in the whole training: images seen before this batch; < 2^40
  std::int64_t count = 0;            // images
  std::uint64_t seed = 0;
  bool horizontal_flip = false;  // mirror every second image, at random
  bool random_crop = false;      // window at a random place, else the centre
  PixelRange range = PixelRange::kSymmetric;
};

struct Batch {
  torch::Tensor images;  // [count,C,H,W] float32, channels_last, CPU
  torch::Tensor labels;  // [count] int64, -1: none
};

// Image i of the batch depends on (seed, first_position + i) alone: which image (order.h), its flip
// and its window.
Batch make_batch(const ImageStore& store, const BatchRequest& request);

// The labels of that batch alone.
torch::Tensor batch_labels(const ImageStore& store, const BatchRequest& request);

// [N,C,H,W] floating point in `range`, any device, C = 1, 3 or 4, to N images: clamped, rounded
// half up; NaN becomes 0.
std::vector<Image> tensor_to_images(const torch::Tensor& images, PixelRange range);

}  // namespace ddpm
