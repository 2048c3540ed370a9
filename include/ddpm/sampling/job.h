// The work of `ddpm sample` after its model is loaded.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "ddpm/base/error.h"
#include "ddpm/base/progress.h"
#include "ddpm/diffusion/generator.h"
#include "ddpm/distributed/process_group.h"
#include "ddpm/sampling/latent_files.h"
#include "ddpm/sampling/load_model.h"
#include "ddpm/sampling/prompts.h"
#include "ddpm/sampling/write_images.h"

namespace ddpm {

// A request; sampling.* in the model's config says which images and how they are sampled.
struct SampleRequest {
  std::filesystem::path output;  // a file, or a folder for single PNG files
  ImageFormat format = ImageFormat::kPng;
  bool grid = false;        // one PNG with all images
  bool trajectory = false;  // also the images at steps on the way; not with npz, always with apng
  std::int64_t first = 0;   // number of the first image of the seed
  int columns = 0;          // of the grid; 0: as square as possible, or a row for each class
  bool overwrite = false;   // files of an earlier call may be replaced
  ProgressStyle progress = ProgressStyle::kOff;
  torch::Tensor noise = {};  // [N,C,H,W] float32: the noise of N images; undefined: drawn
  // Pictures to begin with, [M,C,H,W] float32 in the model's range: image i with picture i mod M. Their
  // share in x of the first step is plan->start_image.
  torch::Tensor pictures = {};
  torch::Tensor keep = {};  // [1,1,H,W] bool: pixels of the one picture that stay (KnownPixels)
  std::optional<Variation> variation = {};
  std::optional<SamplerPlan> plan = {};     // instead of that of the config
  PngText told = {};                        // more texts for the files
  std::vector<std::int64_t> classes = {};   // dealt out to the images; see class_labels
  const LoadedModel* guide = nullptr;       // a weaker model that guidance leads away from
  std::vector<EncodedPrompt> prompts = {};  // dealt out to the images as classes are
  // Decodes the images, which are its latents; null: they are pixels.
  LoadedAutoencoder* autoencoder = nullptr;
  // What follows the image's channels in each input (Condition::image), [1,C,H,W]; undefined: nothing.
  torch::Tensor beside = {};
  ProcessGroup* group = nullptr;  // the processes that share the work; null: this one alone
  // Takes the finished images of each batch, instead of files: [N,C,H,W] float32 in the model's range,
  // on the device, or decoded on the CPU. It may keep them.
  std::function<void(const torch::Tensor& images)> take = {};
};

// Throws DeviceError if loading the model and drawing images clearly needs more memory than is free.
// `count`: images to draw; `kept`: images, those on the way included, that are kept until one file
// is written.
void require_sampling_memory(const Config& config, const Runtime& runtime, std::int64_t count,
                             std::int64_t kept);

// Samples, writes the files and prints their paths to standard output, unless the request takes the
// images. Returns kSuccess. If a signal stops it, it writes the finished batches and returns the
// signal's code. Throws ConfigError
// if the network cannot be sampled from or guided, if it needs prompts or an autoencoder and the request
// has none, if its images do not fit the format, or if files would replace others; DeviceError and
// IoError.
//
// Several processes take the batches in turn. Batches are the same as those of one process, so images
// are too. Each writes its own single images; rank 0 gets the others' and writes one file.
ExitCode sample_images(const LoadedModel& model, const SampleRequest& request);

}  // namespace ddpm
