// Writes what a sampling job has drawn. Private to this folder.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <vector>

#include "ddpm/sampling/job.h"

namespace ddpm {

// For each batch the images at the recorded steps.
using Frames = std::vector<std::vector<torch::Tensor>>;

// What is drawn, on the CPU, by batch.
struct DrawnImages {
  std::vector<torch::Tensor>
      images;                // [N,C,H,W]; not kept of single images, which are written at once
  Frames frames, predicted;  // x and, for an animation, the predicted images
};

class ImageWriter {
 public:
  // `count`: images of the request. The plan is that of the job, and all outlive the writer.
  ImageWriter(const LoadedModel& model, const SampleRequest& request, const SamplerPlan& plan,
              std::int64_t count);

  // Whether each image has a file, which is written when it is finished. Else all are in one.
  bool writes_single_images() const {
    return request_.format == ImageFormat::kPng && !request_.grid && !request_.trajectory;
  }
  bool animates() const { return request_.format == ImageFormat::kApng; }

  // Problems with the output must show before hours of work, not after them. Throws ConfigError if
  // images of so many channels do not fit the format, or if files would replace others; IoError.
  void check_output(std::int64_t channels) const;

  // Writes images `first`, first + 1, ... of the seed, and prints their paths.
  void write_single_images(const torch::Tensor& images, std::int64_t first) const;
  // Writes the one file, and prints its path; nothing if there are no images.
  void write_result(const DrawnImages& drawn) const;

 private:
  std::filesystem::path image_path(std::int64_t index) const;
  void refuse_to_replace() const;
  void write_animation(const DrawnImages& drawn) const;
  void write_grid(const torch::Tensor& images) const;
  torch::Tensor timesteps() const;  // told to the network, rounded down, int64 [evaluations]
  PngText texts(std::int64_t index) const;

  const LoadedModel& model_;
  const SampleRequest& request_;
  const SamplerPlan& plan_;
  std::int64_t count_;
  PixelRange range_;
};

}  // namespace ddpm
