// Brings what several processes have drawn together. Private to this folder.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ddpm/diffusion/generator.h"
#include "ddpm/distributed/process_group.h"

namespace ddpm {

// A batch: its images [N,C,H,W] and tensors of the same shape of images on the way, all on the CPU.
using DrawnBatch = std::vector<torch::Tensor>;

struct DrawnShape {
  std::vector<std::int64_t> batches;  // images of each batch, of all ranks
  ImageShape image;
};

// Rank r of k has drawn batches r, r + k, ..., or the first few of them. Returns the batches of all
// ranks in their order, as far as none is missing. All ranks call it together.
std::vector<DrawnBatch> gather_batches(ProcessGroup& group, Communicator& communicator,
                                       const std::vector<DrawnBatch>& own, const DrawnShape& shape);

// The sum of a number of each rank.
std::int64_t sum_over_ranks(ProcessGroup& group, const std::string& name, std::int64_t own);

}  // namespace ddpm
