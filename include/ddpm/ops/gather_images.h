#pragma once

#include <torch/types.h>

#include <cstdint>

namespace ddpm::ops {

// What a batch is made of; see BatchRequest in data/batch.h, whose results these equal bit for bit.
struct GatherOptions {
  std::uint64_t seed = 0;
  bool horizontal_flip = false;
  bool random_crop = false;
  bool symmetric = true;  // values in [-1,1], else in [0,1]
};

// Whether images of that many bytes can lie in the device's memory, and be gathered there: kernels
// run on it, and they take no more than half of what is free.
bool can_gather_images(torch::Device device, double bytes);

// Fills out [n,H,W,C] float32 with images first_position[0], ... of the training, out of `store`
// [count,stored H,stored W,C] uint8; first_position is an int64 on the device, so a recorded graph
// gathers new images at each replay.
void gather_images(const torch::Tensor& store, const torch::Tensor& first_position,
                   const GatherOptions& options, const torch::Tensor& out);

}  // namespace ddpm::ops
