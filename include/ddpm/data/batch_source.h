// Gives training its images, on the device that computes.
#pragma once

#include <torch/types.h>

#include <memory>

#include "ddpm/data/batch.h"
#include "ddpm/data/image_store.h"
#include "ddpm/device/step_inputs.h"

namespace ddpm {

// Makes batches of one size in a fixed tensor. On a GPU with kernels all images are copied to its
// memory, if they are bytes and take at most half of what is free, and batches are made there, as
// part of recorded work. Otherwise the CPU makes them. Labels are few, so the CPU always makes
// them.
class BatchSource {
 public:
  // `request` must have count; its first_position does not matter. The store must outlive this
  // object. `labelled`: make labels too.
  BatchSource(const ImageStore& store, const BatchRequest& request, torch::Device device,
              bool labelled = false);

  // To be called before the work on batch `first_position`. Makes the batch, unless the device
  // does.
  void prepare(std::uint64_t first_position);

  // To be called within the work: returns the batch [count,C,H,W] float32, channels_last.
  // `first_position` is an int64 on the device, the number given to prepare.
  const torch::Tensor& images(const torch::Tensor& first_position);

  // The labels of the same batch, int64 [count] in a fixed tensor on the device, -1 for an image
  // without a label; undefined unless `labelled`.
  torch::Tensor labels() const { return labels_ ? labels_->integers() : torch::Tensor(); }

 private:
  void set_labels(const torch::Tensor& labels);

  const ImageStore& store_;
  BatchRequest request_;
  torch::Tensor resident_;  // all images, uint8 [images,H,W,C] on the device; else undefined
  torch::Tensor pixels_;    // [count,H,W,C] float32 on the device
  torch::Tensor images_;    // the same as [count,C,H,W]
  std::unique_ptr<StepInputs> labels_;
};

}  // namespace ddpm
