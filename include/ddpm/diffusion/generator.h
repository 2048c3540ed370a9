// Makes batches of images from a network by the steps of a plan, with noise drawn by counter.
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

// The settings that all batches of a Generator share.
struct GeneratorOptions {
  std::uint64_t seed = 0;
  std::int64_t count = 1;  // batch size
  ImageShape shape;
  torch::Device device = torch::kCPU;
};

// Called after each step with its number (from 1), its time and the present images; sampling stops
// if it returns false. May be empty. The next step may overwrite x.
using AfterStep = std::function<bool(std::size_t step, double time, const torch::Tensor& x)>;

// The random stream for the noise z of the steps. If the plan visits whole timesteps, each once, the
// noise depends on the timestep, so that plans of different lengths have the same noise at the
// same timestep. Otherwise it depends on the number of the evaluation, in a separate stream.
RandomStream noise_stream(const SamplerPlan& plan);

// Makes images, one batch after another. On a GPU one step is recorded and then replayed for all
// later steps and batches.
class Generator {
 public:
  Generator(SamplerPlan plan, Predictor predictor, const GeneratorOptions& options);

  // Makes images first .. first + count - 1 of the seed: [count,C,H,W] float32 on the device, in
  // the model's own range, not quantised. Image i depends only on (seed, i). `initial_noise`
  // [count,C,H,W] is used as x_T; if it is undefined, noise is drawn. The result is undefined if
  // after_step returned false. All batches must have the same kind of condition, without dropout.
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
  Condition condition_;  // at a fixed address, where a recorded graph reads it
  StepInputs inputs_;    // integers: step of the noise, first image; floats: row of the plan
  Replay replay_;
  ops::SamplerRegisters registers_;
};

// The settings of one batch.
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
