// The work of `ddpm sample` after its model is loaded.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>

#include "ddpm/base/error.h"
#include "ddpm/base/progress.h"
#include "ddpm/sampling/load_model.h"
#include "ddpm/sampling/write_images.h"

namespace ddpm {

// A request; sampling.* in the model's config says which images and how they are sampled.
struct SampleRequest {
  std::filesystem::path output;  // a file, or a folder for single PNG files
  ImageFormat format = ImageFormat::kPng;
  bool grid = false;        // one PNG with all images
  bool trajectory = false;  // also the images at steps on the way; not with npz
  bool overwrite = false;   // files of an earlier call may be replaced
  ProgressStyle progress = ProgressStyle::kOff;
  torch::Tensor noise = {};  // [N,C,H,W] float32: x_T of N images; undefined: drawn
};

// Throws DeviceError if loading the model and drawing images clearly needs more memory than is free.
// `count`: images to draw; `kept`: images, those on the way included, that are kept until one file
// is written.
void require_sampling_memory(const Config& config, const Runtime& runtime, std::int64_t count,
                             std::int64_t kept);

// Samples, writes the files and prints their paths to standard output. Returns kSuccess. If a
// signal stops it, it writes the finished batches and returns the signal's code. Throws ConfigError
// if the network cannot be sampled from, if its images do not fit the format, or if files would
// replace others; DeviceError and IoError.
ExitCode sample_images(const LoadedModel& model, const SampleRequest& request);

}  // namespace ddpm
