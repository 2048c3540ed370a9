// Tests what training and sampling promise on a GPU. Skipped without a GPU.
#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/types.h>

#include "ddpm/base/error.h"
#include "ddpm/diffusion/generator.h"
#include "ddpm/sampling/setup.h"
#include "support/models.h"
#include "support/small_trainer.h"

namespace ddpm {
namespace {

// A small network with all parts of Ho et al.'s: two resolutions, attention, dropout, shortcuts.
ModelConfig small_network() {
  ModelConfig model;
  model.base_width = 32;
  model.width_multipliers = {1, 2};
  model.blocks_per_level = 1;
  model.attention = {false, true};
  model.groups = model.final_groups = 8;
  return model;
}

class KernelTraining : public testing::SmallTrainer,
                       public ::testing::WithParamInterface<Precision> {
 protected:
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU";
    runtime_ = set_up_runtime({.device = "cuda", .precision = GetParam(), .deterministic = true});
    config_ = testing::small_config();
    config_.model = small_network();
    config_.model.initialization = Initialization::kPytorch;
    config_.training.micro_batches = 2;
  }
  void TearDown() override { set_up_runtime({.device = "cpu", .threads = 1}); }

  Trainer make() { return Trainer(config_, images_, runtime_); }
  static void expect_equal_bytes(const std::filesystem::path& a, const std::filesystem::path& b) {
    for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors"})
      EXPECT_TRUE(testing::content_of(a / file) == testing::content_of(b / file)) << file;
  }

  // A trainer records its third step and replays it from then on. A trainer that loads a state and
  // makes one step never records.
  void expect_equal_replays() {
    constexpr int kSteps = 6;
    Trainer replaying = make();
    steps(replaying, kSteps);
    std::filesystem::path ordinary;
    for (int i = 0; i < kSteps; ++i) {
      Trainer one = make();
      if (i > 0) one.load(ordinary);
      one.step();
      ordinary = save(one, "after_" + std::to_string(i));
    }
    expect_equal_bytes(save(replaying, "replayed"), ordinary);
  }

  Runtime runtime_;
  Config config_;
};

TEST_P(KernelTraining, ReplayedStepsEqualOrdinaryOnesBitForBit) { expect_equal_replays(); }

TEST_P(KernelTraining, ReplayedStepsOfTheHybridLossDoSo) {
  config_.model.predicts_variance = true;
  config_.diffusion.variance = Variance::kLearnedRange;
  config_.diffusion.timesteps = 4;  // few, so that batches hold t = 0
  expect_equal_replays();
}

TEST_P(KernelTraining, ReplayedStepsDropTheSameLabels) {
  const ImageStore labelled = testing::small_images(/*classes=*/3);
  config_.model.class_embedding = ClassEmbeddingKind::kTable;
  config_.model.classes = 3;
  config_.model.null_class = true;
  config_.training.label_dropout = 0.5;
  Trainer replaying(config_, labelled, runtime_);
  steps(replaying, 5);
  const std::filesystem::path five = save(replaying, "five");
  steps(replaying, 1);
  Trainer ordinary(config_, labelled, runtime_);
  ordinary.load(five);
  ordinary.step();
  expect_equal_bytes(save(replaying, "replayed"), save(ordinary, "ordinary"));
}

TEST_P(KernelTraining, ResumesToTheSameBytes) {
  Trainer straight = make();
  steps(straight, 5);
  const std::filesystem::path five = save(straight, "five");
  steps(straight, 5);
  Trainer resumed = make();
  resumed.load(five);
  steps(resumed, 5);
  expect_equal_bytes(save(straight, "straight"), save(resumed, "resumed"));
}

TEST_P(KernelTraining, OutOfMemoryIsExplainedAndNotTheEnd) {
  Trainer trainer = make();
  steps(trainer, 4);
  const std::string message = testing::message_of<DeviceError>([&] {
    explain_out_of_memory(runtime_.device, 77, [] {
      static_cast<void>(torch::empty({std::int64_t{1} << 42}, torch::kCUDA));
    });
  });
  for (const char* part : {"out of memory on cuda", "with 77 images at once (peak so far",
                           "--batch-size", "training.micro_batches", "model.base_width"})
    EXPECT_TRUE(testing::contains(message, part)) << message;
  steps(trainer, 4);
  EXPECT_EQ(trainer.totals().steps, 8);
}

// Batches of different sizes must give the same images, by recorded steps or not. The network is
// trained a little, because with random weights rounding to bf16 would change every image visibly.
TEST_P(KernelTraining, SampledImageIDependsOnSeedAndIndexAlone) {
  const double tolerance = runtime_.compute_dtype == torch::kFloat32 ? 1e-5 : 1e-3;
  Trainer trainer = make();
  steps(trainer, 300);
  const SamplerPlan plan = sampler_plan_for(config_, {.steps = 10});
  trainer.with_average_weights([&](UNet& net) {
    const Predictor network = [&](const torch::Tensor& x, const torch::Tensor& t,
                                  const Condition&) {
      torch::NoGradGuard no_grad;
      return net->forward(x, t);
    };
    const auto images = [&](std::uint64_t first, std::int64_t count) {
      return generate(plan, network,
                      {.seed = 7,
                       .first = first,
                       .count = count,
                       .shape = {1, 8, 8},
                       .device = runtime_.device})
          .cpu();
    };
    const torch::Tensor all = images(0, 48);
    for (const auto& [first, count] : {std::pair{0, 1}, {1, 2}, {5, 16}, {30, 7}}) {
      const torch::Tensor expected = all.narrow(0, first, count);
      const torch::Tensor actual = images(static_cast<std::uint64_t>(first), count);
      EXPECT_LE(((actual - expected).norm() / expected.norm()).item<double>(), tolerance)
          << "images " << first << ", " << count;
    }
  });
}

INSTANTIATE_TEST_SUITE_P(, KernelTraining, ::testing::Values(Precision::kFp32, Precision::kBf16));

}  // namespace
}  // namespace ddpm
