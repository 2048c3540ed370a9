// Makes batches of images from a network by the steps of a plan, with noise drawn by counter.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <optional>

#include "ddpm/device/replay.h"
#include "ddpm/device/step_inputs.h"
#include "ddpm/diffusion/guidance.h"
#include "ddpm/diffusion/sampler.h"
#include "ddpm/ops/random.h"

namespace ddpm {

struct ImageShape {
  std::int64_t channels = 3, height = 32, width = 32;
};

// Pixels of a picture that stay as they are, for plans of keep_known_pixels or repaint. With a plan
// that adds noise theirs is drawn anew in each step, otherwise it is that of x_T.
struct KnownPixels {
  torch::Tensor picture;     // [1,C,H,W] float32 in the model's range
  torch::Tensor keep;        // [1,1,H,W] bool
  torch::Tensor noise = {};  // their noise in every step, [count,C,H,W]; undefined: it is drawn
};

// Images near another one: all noise of image i is cos(a) times that of image `of` plus sin(a)
// times new noise, which is normal noise again, with a = amount * 90 degrees. The new noise is that
// of image 2^39 + i, which nobody draws otherwise.
struct Variation {
  std::uint64_t of = 0;
  double amount = 0;  // 0: image `of` itself, 1: independent images
};

// What happened in a step. The next step may overwrite the images.
struct StepReport {
  std::size_t step = 0;  // from 1
  double time = 0;       // what the network was told
  torch::Tensor x;       // the present images
  torch::Tensor x0;      // the predicted images; undefined unless GeneratorOptions::report_x0
};

// The settings that all batches of a Generator share.
struct GeneratorOptions {
  std::uint64_t seed = 0;
  std::int64_t count = 1;  // batch size
  ImageShape shape;
  torch::Device device = torch::kCPU;
  std::optional<Guidance> guidance = {};  // for steps whose row asks for it
  std::optional<KnownPixels> known = {};
  std::optional<Variation> variation = {};
  bool report_x0 = false;
};

// Called after each step; sampling stops if it returns false. May be empty.
using AfterStep = std::function<bool(const StepReport& report)>;

// x_T of images first .. first + count - 1 of the seed, [count,C,H,W].
torch::Tensor starting_noise(const GeneratorOptions& options, std::uint64_t first);

// The random stream for the noise z of the steps. If the plan visits whole timesteps, each once,
// the noise depends on the timestep, so that plans of different lengths have the same noise at the
// same timestep. Otherwise it depends on the number of the evaluation, in a separate stream.
RandomStream noise_stream(const SamplerPlan& plan);

// Makes images, one batch after another. On a GPU one step is recorded and then replayed for all
// later steps and batches; with guidance in some steps only, two are.
class Generator {
 public:
  // Throws std::invalid_argument if a row asks for guidance and the options have none.
  Generator(SamplerPlan plan, Predictor predictor, const GeneratorOptions& options);

  // Makes images first .. first + count - 1 of the seed: [count,C,H,W] float32 on the device, in
  // the model's own range, not quantised. Image i depends only on (seed, i). `start` [count,C,H,W]
  // is x of the first step; if it is undefined, x is starting_noise(). The result is undefined if
  // after_step returned false. All batches must have the same kind of condition, without dropout.
  torch::Tensor make(std::uint64_t first, const Condition& condition = {},
                     const torch::Tensor& start = {}, const AfterStep& after_step = {});

  std::int64_t count() const { return options_.count; }

 private:
  void set_condition(const Condition& condition);
  torch::Tensor step_noise(const RandomKey& key) const;
  void blend_known(const RandomKey& key);
  void set_inputs(const ops::SamplerStep& step, const RandomKey& noise, const RandomKey& known);
  void make_step(const Predictor& predictor, const ops::SamplerStep& step, const RandomKey& noise,
                 const RandomKey& known);

  SamplerPlan plan_;
  SamplerNeeds needs_;
  Predictor predictor_;
  GeneratorOptions options_;
  Condition condition_;  // at a fixed address, where a recorded graph reads it
  // Integers: step and first sample of three draws, see generator.cpp; floats: the row of the plan.
  StepInputs inputs_;
  Predictor guided_;  // empty: no guidance
  Replay replay_, guided_replay_;
  ops::SamplerRegisters registers_;
  torch::Tensor x0_;
};

// The settings of one batch.
struct GenerateRequest {
  std::uint64_t seed = 0;
  std::uint64_t first = 0;
  std::int64_t count = 1;
  ImageShape shape;
  torch::Device device = torch::kCPU;
  Condition condition = {};
  torch::Tensor initial_noise = {};  // x of the first step; undefined: drawn
  AfterStep after_step = {};
};
torch::Tensor generate(const SamplerPlan& plan, const Predictor& predictor,
                       const GenerateRequest& request);

}  // namespace ddpm
