// Images from a network: noise by counter, a sampler's steps, in batches.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <string>

#include "ddpm/config/config.h"
#include "ddpm/diffusion/sampler.h"

namespace ddpm {

struct ImageShape {
  std::int64_t channels = 3, height = 32, width = 32;
};

// Images first .. first + count - 1 of a seed. Image i depends on (seed, i) alone.
struct GenerateRequest {
  std::uint64_t seed = 0;
  std::uint64_t first = 0;
  std::int64_t count = 1;
  ImageShape shape;
  torch::Device device = torch::kCPU;
  torch::Tensor initial_noise = {};  // [count,C,H,W] float32, used as x_T; undefined: drawn

  // Called after each step with its number (from 1), its timestep and the image so far; false
  // stops. May be empty.
  std::function<bool(std::size_t step, std::int64_t t, const torch::Tensor& x)> after_step = {};
};

// [count,C,H,W] float32 on request.device, in the model's own range, not quantised. Undefined if
// after_step stopped it.
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
