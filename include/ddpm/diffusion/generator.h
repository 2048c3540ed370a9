// Images from a network: noise by counter, the steps of a plan, in batches.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>

#include "ddpm/device/replay.h"
#include "ddpm/device/step_inputs.h"
#include "ddpm/diffusion/denoise_model.h"
#include "ddpm/diffusion/sampler.h"
#include "ddpm/ops/random.h"

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

// Called after each step with its number (from 1), its time and the images so far; false stops. May
// be empty. The next step may overwrite x.
using AfterStep = std::function<bool(std::size_t step, double time, const torch::Tensor& x)>;

// Where the noise z of a step comes from: from its timestep, if the plan visits whole timesteps,
// each once, so that plans of different lengths share the noise of a timestep; else from the number
// of the evaluation, in a stream of its own.
RandomStream noise_stream(const SamplerPlan& plan);

// Makes images, batch after batch; on a GPU the steps are recorded once and replayed for all of
// them.
class Generator {
 public:
  Generator(SamplerPlan plan, Predictor predictor, const GeneratorOptions& options);

  // Images first .. first + count - 1 of the seed: [count,C,H,W] float32 on the device, in the
  // model's own range, not quantised. Image i depends on (seed, i) alone. `initial_noise`
  // [count,C,H,W] is used as x_T; undefined: drawn. Undefined if after_step stopped it. All batches
  // have conditions of one kind, without dropout.
  torch::Tensor make(std::uint64_t first, const Condition& condition = {},
                     const torch::Tensor& initial_noise = {}, const AfterStep& after_step = {});

  std::int64_t count() const { return options_.count; }

 private:
  void set_condition(const Condition& condition);
  torch::Tensor draw_noise(const ops::Draw& draw) const;
  void make_step(const ops::SamplerStep& step, const RandomKey& noise);

  SamplerPlan plan_;
  SamplerNeeds needs_;
  Predictor predictor_;
  GeneratorOptions options_;
  Condition condition_;  // in memory that stays, where a recorded graph finds it
  StepInputs inputs_;    // step of the noise and first image; then the row of the plan
  Replay replay_;
  ops::SamplerRegisters registers_;
};

// One batch.
struct GenerateRequest {
  std::uint64_t seed = 0;
  std::uint64_t first = 0;
  std::int64_t count = 1;
  ImageShape shape;
  torch::Device device = torch::kCPU;
  Condition condition = {};
  torch::Tensor initial_noise = {};
  AfterStep after_step = {};
};
torch::Tensor generate(const SamplerPlan& plan, const Predictor& predictor,
                       const GenerateRequest& request);

}  // namespace ddpm
