// A copy of a trainer's state in host memory, from which a checkpoint is written while training
// goes on.
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <optional>
#include <vector>

#include "ddpm/device/named_tensor.h"
#include "ddpm/runs/training_state.h"

namespace ddpm {

// Later training steps do not change it.
struct TrainerSnapshot {
  std::vector<NamedTensor> model, optimizer;
  std::vector<NamedTensor> ema;  // empty: no averaging
  TrainingState state;
};

// Writes model.safetensors, ema.safetensors, optimizer.safetensors and state.json into an existing
// folder. Throws IoError.
void write_snapshot(const TrainerSnapshot& snapshot, const std::filesystem::path& folder);

// Copies flat buffers to the host. The memory of the copies is allocated once and reused, because
// new memory would cost more than the copy (page faults on a CPU, page-locking for a GPU).
class HostCopies {
 public:
  // Copies contiguous float32 tensors of one dimension on one device; their number and sizes are
  // the same in every call. Returns nothing if a value is not finite. Waits for the device once. A
  // copy that is still in use is not overwritten; new memory is allocated instead.
  std::optional<std::vector<torch::Tensor>> copy(const std::vector<torch::Tensor>& buffers);

 private:
  std::vector<torch::Tensor> memory_;
};

}  // namespace ddpm
