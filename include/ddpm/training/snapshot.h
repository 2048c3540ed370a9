// A trainer's state in host memory: what a checkpoint is written from while training goes on.
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <optional>
#include <vector>

#include "ddpm/device/named_tensor.h"
#include "ddpm/runs/training_state.h"

namespace ddpm {

// Stays as it is while training goes on.
struct TrainerSnapshot {
  std::vector<NamedTensor> model, optimizer;
  std::vector<NamedTensor> ema;  // none: no averaging
  TrainingState state;
};

// Writes model, ema and optimizer .safetensors and state.json into an existing folder. Throws
// IoError.
void write_snapshot(const TrainerSnapshot& snapshot, const std::filesystem::path& folder);

// Copies flat buffers to the host. What they are copied into is allocated once and used again: new
// memory would cost more than the copy (page faults on a CPU, page-locking for a GPU).
class HostCopies {
 public:
  // Copies of float32 tensors of one device, contiguous and of one dimension; each time as many and
  // as long. Nothing if a value is not finite. Waits for the device once. A copy that anybody still
  // views is not overwritten: the next one then gets memory of its own.
  std::optional<std::vector<torch::Tensor>> copy(const std::vector<torch::Tensor>& buffers);

 private:
  std::vector<torch::Tensor> memory_;
};

}  // namespace ddpm
