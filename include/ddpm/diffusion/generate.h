// Images from a network: noise by counter, a sampler's steps, in batches.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <string>

#include "ddpm/config/config.h"
#include "ddpm/device/replay.h"
#include "ddpm/device/step_inputs.h"
#include "ddpm/diffusion/sampler.h"

namespace ddpm {

struct ImageShape {
  std::int64_t channels = 3, height = 32, width = 32;
};

// What all batches of a Generator have in common.
struct GeneratorOptions {
  std::uint64_t seed = 0;
  std::int64_t count = 1;  // images at once
  ImageShape shape;
  torch::Device device = torch::kCPU;
};

// Called after each step with its number (from 1), its timestep and the images so far; false stops.
// May be empty. The next step may overwrite x.
using AfterStep = std::function<bool(std::size_t step, std::int64_t t, const torch::Tensor& x)>;

// Makes images, batch after batch; on a GPU the steps are recorded once and replayed for all of
// them, so that tensors which `predictor` holds may change between batches in their values only.
// Refers to the sampler.
class Generator {
 public:
  Generator(const Sampler& sampler, Predictor predictor, const GeneratorOptions& options);

  // Images first .. first + count - 1 of the seed: [count,C,H,W] float32 on the device, in the
  // model's own range, not quantised. Image i depends on (seed, i) alone. `initial_noise`
  // [count,C,H,W] is used as x_T; undefined: drawn. Undefined if after_step stopped it.
  torch::Tensor make(std::uint64_t first, const torch::Tensor& initial_noise = {},
                     const AfterStep& after_step = {});

  std::int64_t count() const { return options_.count; }

 private:
  torch::Tensor draw_initial_noise(std::uint64_t first) const;

  const Sampler& sampler_;
  Predictor predictor_;
  GeneratorOptions options_;
  StepInputs inputs_;  // timestep, which is also the step of the noise, and first image; then
                       // the coefficients
  Replay replay_;
  torch::Tensor x_;
};

// One batch.
struct GenerateRequest {
  std::uint64_t seed = 0;
  std::uint64_t first = 0;
  std::int64_t count = 1;
  ImageShape shape;
  torch::Device device = torch::kCPU;
  torch::Tensor initial_noise = {};
  AfterStep after_step = {};
};
torch::Tensor generate(const Sampler& sampler, const Predictor& predictor,
                       const GenerateRequest& request);

// What image first .. first + count - 1 of seed `seed` shall show, for a class-conditional network:
// int64 [count], all sampling.class_label, or drawn from (seed, i). Undefined for an unconditional
// network. Throws ConfigError if there is no such class, or none can be drawn.
torch::Tensor class_labels(const Config& config, std::uint64_t seed, std::uint64_t first,
                           std::int64_t count, torch::Device device);

// How `ddpm sample` and the previews set up a sampler for a trained process: `sampling` is
// config.sampling or a variation of it. Logs when it departs from the trained variance, see
// sane_variance.
std::unique_ptr<Sampler> make_sampler_for(const Config& config, const SamplingConfig& sampling);

}  // namespace ddpm
