#pragma once

#include <torch/types.h>

#include <cstdint>

namespace ddpm::ops {

// The settings of a batch. The results equal those of make_batch in data/batch.h bit for bit.
struct GatherOptions {
  std::uint64_t seed = 0;
  bool horizontal_flip = false;
  bool random_crop = false;
  bool symmetric = true;  // values in [-1,1], else in [0,1]
};

// Whether `bytes` of images can be kept in the device's memory and gathered there: kernels run on
// it, and the images take at most half of the free memory.
bool can_gather_images(torch::Device device, double bytes);

// Fills out [n,H,W,C] float32 with the training images from position first_position[0] on, from
// `store` [count,stored H,stored W,C] uint8. first_position is an int64 on the device, so a
// recorded graph gathers new images at each replay.
void gather_images(const torch::Tensor& store, const torch::Tensor& first_position,
                   const GatherOptions& options, const torch::Tensor& out);

}  // namespace ddpm::ops
