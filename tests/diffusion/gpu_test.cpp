// Compares two batches sampled on a GPU with the same on the CPU. On the GPU all steps except the
// first two are replays of one recorded graph. Skipped without a GPU.
#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/types.h>

#include <functional>
#include <string>

#include "ddpm/device/runtime.h"
#include "ddpm/diffusion/generator.h"
#include "ddpm/nn/unet.h"
#include "ddpm/sampling/setup.h"
#include "support/fill.h"
#include "support/models.h"
#include "support/networks.h"

namespace ddpm {
namespace {

struct Case {
  std::string name;
  std::function<void(Config&)> change;
  bool edits = false;  // keep half of a picture, and vary image 3
};

// NOLINTNEXTLINE(readability-identifier-naming): GoogleTest's name
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class KernelSampling : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU";
    config_.model = testing::tiny();
    config_.sampling.steps = 6;
    GetParam().change(config_);
  }
  void TearDown() override { set_up_runtime({.device = "cpu", .threads = 1}); }

  torch::Tensor images_on(const std::string& name) const {
    const Runtime runtime =
        set_up_runtime({.device = name, .precision = Precision::kFp32, .threads = 1});
    UNet net = testing::initialized_unet(config_.model, 3);
    testing::hash_fill(*net);
    net->to(runtime.device);
    const auto labels_from = [&](std::uint64_t first) {
      return class_labels(config_, kSeed, first, kCount, runtime.device);
    };
    const Predictor network = [&](const torch::Tensor& x, const torch::Tensor& t,
                                  const Condition& condition) {
      torch::NoGradGuard no_grad;
      return net->forward(x, t, condition);
    };
    GeneratorOptions options{.seed = kSeed,
                             .count = kCount,
                             .shape = {3, 16, 16},
                             .device = runtime.device,
                             .guidance = guidance_for(config_, {}, runtime.device)};
    SamplerPlan plan = sampler_plan_for(config_, config_.sampling);
    if (GetParam().edits) {
      torch::Tensor keep = torch::zeros({1, 1, 16, 16}, torch::kBool);
      keep.narrow(3, 0, 8).fill_(true);
      options.known = KnownPixels{
          testing::hash_tensor(7, {1, 3, 16, 16}, 1).to(runtime.device, torch::kFloat32),
          keep.to(runtime.device)};
      options.variation = Variation{.of = 3, .amount = 0.5};
      options.report_x0 = true;
      plan = repaint(plan, {2, 2});
    }
    Generator generator(plan, network, options);
    const torch::Tensor one = generator.make(2, {.labels = labels_from(2)}).cpu();
    return torch::cat({one, generator.make(2 + kCount, {.labels = labels_from(2 + kCount)}).cpu()});
  }

  static constexpr std::int64_t kCount = 5;
  static constexpr std::uint64_t kSeed = 5;
  Config config_;
};

TEST_P(KernelSampling, EqualsThatOnTheCpu) {
  const torch::Tensor expected = images_on("cpu"), actual = images_on("cuda");
  ASSERT_TRUE(expected.isfinite().all().item<bool>());
  EXPECT_GT(expected.std().item<double>(), 0.1);
  EXPECT_LE(((actual - expected).norm() / expected.norm()).item<double>(), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(
    , KernelSampling,
    ::testing::Values(
        Case{"ancestral", [](Config&) {}},
        Case{"unclipped", [](Config& c) { c.diffusion.clip_x0 = false; }},
        Case{"ddim", [](Config& c) { c.sampling.sampler = SamplerKind::kDdim; }},
        Case{"ddim_with_noise",
             [](Config& c) {
               c.sampling.sampler = SamplerKind::kDdim;
               c.sampling.eta = 0.5;
             }},
        Case{"ddim_that_keeps_the_noise",
             [](Config& c) {
               c.sampling.sampler = SamplerKind::kDdim;
               c.sampling.use_clipped_model_output = false;
             }},
        Case{"velocity", [](Config& c) { c.diffusion.prediction_type = Prediction::kVelocity; }},
        Case{"image", [](Config& c) { c.diffusion.prediction_type = Prediction::kImage; }},
        Case{"zero_terminal_snr",
             [](Config& c) {
               c.diffusion.prediction_type = Prediction::kVelocity;
               c.diffusion.zero_terminal_snr = true;
             }},
        Case{"thresholding",
             [](Config& c) {
               c.diffusion.dynamic_threshold = 0.9;
               c.diffusion.dynamic_threshold_max = 1.5;
             }},
        Case{"learned_range",
             [](Config& c) {
               c.model.predicts_variance = true;
               c.diffusion.variance = Variance::kLearnedRange;
             }},
        Case{"learned",
             [](Config& c) {
               c.model.predicts_variance = true;
               c.diffusion.variance = Variance::kLearned;
             }},
        Case{"learned_times",
             [](Config& c) {
               c.model.time_embedding = TimeEmbeddingKind::kLearned;
               c.model.time_table = 1000;
             }},
        Case{"scaled_times", [](Config& c) { c.model.time_scale = 0.25; }},
        Case{"classes",
             [](Config& c) {
               c.model.class_embedding = ClassEmbeddingKind::kTable;
               c.model.classes = 7;
             }},
        Case{"guidance",
             [](Config& c) {
               c.model.class_embedding = ClassEmbeddingKind::kTable;
               c.model.classes = 7;
               c.model.null_class = true;
               c.sampling.steps = 12;
               c.sampling.guidance = 3;
               c.sampling.guidance_rescale = 0.5;
               c.sampling.guidance_low = 1;
             }},
        Case{"edits", [](Config&) {}, true}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace ddpm
