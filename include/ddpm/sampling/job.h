// What `ddpm sample` does once its model is loaded.
#pragma once

#include <torch/types.h>

#include <filesystem>

#include "ddpm/base/error.h"
#include "ddpm/base/progress.h"
#include "ddpm/sampling/load_model.h"
#include "ddpm/sampling/write_images.h"

namespace ddpm {

// Which images, and by which steps, the model's config says (sampling.*).
struct SampleRequest {
  std::filesystem::path output;  // a file, or a folder for single PNG files
  ImageFormat format = ImageFormat::kPng;
  bool grid = false;        // one PNG with all images
  bool trajectory = false;  // also the way there; not with npz
  ProgressStyle progress = ProgressStyle::kOff;
  torch::Tensor noise = {};  // [N,C,H,W] float32: x_T of N images; undefined: drawn
};

// Samples, writes the files and prints their paths to standard output. Returns kSuccess, or the code
// of the signal that stopped it, with the finished batches written. Throws ConfigError if the network
// cannot be sampled from, DeviceError and IoError.
ExitCode sample_images(const LoadedModel& model, const SampleRequest& request);

}  // namespace ddpm
