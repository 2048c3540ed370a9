// Makes batches of training images as tensors, and images from tensors.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <torch/types.h>

#include "ddpm/config/choices.h"
#include "ddpm/data/image_store.h"
#include "ddpm/image/image.h"

namespace ddpm {

struct BatchRequest {
  std::uint64_t first_position = 0;  // number of images that training saw before; < 2^40
  std::int64_t count = 0;            // images
  std::uint64_t seed = 0;
  bool horizontal_flip = false;  // mirror each image with probability 1/2
  bool random_crop = false;      // take a window at a random place, else the centre
  PixelRange range = PixelRange::kSymmetric;
};

struct Batch {
  torch::Tensor images;  // [count,C,H,W] float32, channels_last, CPU
  torch::Tensor labels;  // [count] int64, -1: none
};

// Makes a batch. Which image is image i (order.h), its flip and its window depend only on
// (seed, first_position + i).
Batch make_batch(const ImageStore& store, const BatchRequest& request);

// Makes only the labels of that batch.
torch::Tensor batch_labels(const ImageStore& store, const BatchRequest& request);

// The images, all of one shape, as [N,C,H,W] float32 on the CPU with the values that training gives
// their pixels. There must be at least one.
torch::Tensor images_to_tensor(std::span<const Image> images, PixelRange range);

// Converts floating-point values in `range` to pixel values, uint8 of the same shape and device. They are
// clamped and rounded half up; NaN becomes 0.
torch::Tensor to_pixel_values(const torch::Tensor& images, PixelRange range);

// The same as N images, of [N,C,H,W] on any device, C = 1, 3 or 4.
std::vector<Image> tensor_to_images(const torch::Tensor& images, PixelRange range);

}  // namespace ddpm
