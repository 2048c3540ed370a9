// The images of a data set in a random order, to be measured.
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "ddpm/config/choices.h"
#include "ddpm/data/image_store.h"

namespace ddpm {

struct StoreImages {
  torch::Tensor pixels;  // uint8 [N,C,H,W]
  torch::Tensor labels;  // int64 [N]; -1: none
};

// Images first .. first + count - 1 of the store, on the CPU. Their order is random, so that any
// first images stand for all, and always the same.
StoreImages images_of_store(const ImageStore& store, std::int64_t first, std::int64_t count);

// Pixel values as the network sees them: float32 in `range`, as make_batch gives them.
torch::Tensor to_values(const torch::Tensor& pixels, PixelRange range);

}  // namespace ddpm
