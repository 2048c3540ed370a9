// Where training takes its images from, on the device that computes.
#pragma once

#include <torch/types.h>

#include <memory>

#include "ddpm/data/batch.h"
#include "ddpm/data/image_store.h"
#include "ddpm/device/step_inputs.h"

namespace ddpm {

// Batches of one size in a fixed tensor. On a GPU with kernels all images move into its memory, if
// they take at most half of what is free, and batches are put together there, as part of recorded
// work; otherwise on the CPU. Labels are few and always come from there.
class BatchSource {
 public:
  // `request` with count; its first_position does not matter. The store must outlive this object.
  // `labelled`: the labels are wanted too.
  BatchSource(const ImageStore& store, const BatchRequest& request, torch::Device device,
              bool labelled = false);

  // Ahead of the work on batch `first_position`: makes it, unless the device will.
  void prepare(std::uint64_t first_position);

  // Within the work: the batch [count,C,H,W] float32, channels_last. `first_position` is an int64
  // on the device, the number given to prepare.
  const torch::Tensor& images(const torch::Tensor& first_position);

  // Of the same batch, int64 [count] in a fixed tensor on the device, -1 where there is none;
  // undefined if not wanted.
  torch::Tensor labels() const { return labels_ ? labels_->integers() : torch::Tensor(); }

 private:
  void set_labels(const torch::Tensor& labels);

  const ImageStore& store_;
  BatchRequest request_;
  torch::Tensor resident_;  // uint8 [count,H,W,C] on the device; undefined: made on the CPU
  torch::Tensor pixels_;    // [count,H,W,C] float32 on the device
  torch::Tensor images_;    // the same as [count,C,H,W]
  std::unique_ptr<StepInputs> labels_;
};

}  // namespace ddpm
