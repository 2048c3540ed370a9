#include "ddpm/training/outliers.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/small_trainer.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::content_of;
using testing::small_config;

bool observe(OutlierLosses& losses, double loss) {
  return losses.observe(torch::tensor(loss, torch::kFloat64)).item<bool>();
}

// Losses between 0.9 and 1.1.
double usual(int i) { return 1 + 0.1 * std::sin(2.0 * i); }

void feed_usual(OutlierLosses& losses, int count) {
  for (int i = 0; i < count; ++i) EXPECT_FALSE(observe(losses, usual(i))) << i;
}

TEST(OutlierLosses, KnowMeanAndVarianceOfTheFirstOnes) {
  OutlierLosses losses(6, torch::kCPU);
  feed_usual(losses, 100);
  double mean = 0, variance = 0;
  for (int i = 0; i < 100; ++i) mean += usual(i) / 100;
  for (int i = 0; i < 100; ++i) variance += std::pow(usual(i) - mean, 2) / 100;
  EXPECT_EQ(losses.statistics().count, 100);
  EXPECT_NEAR(losses.statistics().mean, mean, 1e-12);
  EXPECT_NEAR(losses.statistics().variance, variance, 1e-12);
}

TEST(OutlierLosses, StandOutByStandardDeviationsOnceEnoughWereSeen) {
  OutlierLosses losses(6, torch::kCPU);
  feed_usual(losses, OutlierLosses::kWindow - 1);
  const LossStatistics early = losses.statistics();
  EXPECT_FALSE(observe(losses, 100));
  losses.set_statistics(early);
  observe(losses, 1);
  const LossStatistics now = losses.statistics();
  const double limit = now.mean + 6 * std::sqrt(now.variance);
  EXPECT_FALSE(observe(losses, limit - 1e-6));
  losses.set_statistics(now);
  EXPECT_TRUE(observe(losses, limit + 1e-6));
  losses.set_statistics(now);
  EXPECT_FALSE(observe(losses, now.mean - 100 * std::sqrt(now.variance)));
}

TEST(OutlierLosses, OneDoesNotHideTheNextAndALastingChangeBecomesUsual) {
  OutlierLosses losses(6, torch::kCPU);
  feed_usual(losses, 200);
  EXPECT_TRUE(observe(losses, 1e6));
  EXPECT_TRUE(observe(losses, 1e6));
  feed_usual(losses, 200);
  int left_out = 0;
  for (int i = 0; i < 100; ++i) left_out += observe(losses, 2 + usual(i));
  EXPECT_GT(left_out, 0);
  EXPECT_LT(left_out, 30);
}

TEST(OutlierLosses, WhatIsNotFiniteIsNotTheirs) {
  OutlierLosses losses(6, torch::kCPU);
  feed_usual(losses, 200);
  const LossStatistics before = losses.statistics();
  for (const double loss : {std::numeric_limits<double>::infinity(), std::nan("")}) {
    EXPECT_FALSE(observe(losses, loss));
    EXPECT_EQ(losses.statistics().count, before.count);
    EXPECT_EQ(losses.statistics().mean, before.mean);
    EXPECT_EQ(losses.statistics().variance, before.variance);
  }
}

class OutlierTrainer : public testing::SmallTrainer {
 protected:
  OutlierTrainer() {
    config_.training.ema_decay = 0;
    config_.training.skip_outliers = 6;
    config_.training.learning_rate = 1e-5;  // small, so the loss hardly changes
  }
  // Multiplies the last layer's weights, which changes the loss.
  static void scale_output(Trainer& trainer, double factor) {
    trainer.with_average_weights([&](UNet& net) {
      torch::NoGradGuard no_grad;
      net->named_parameters()["conv_out.weight"].mul_(factor);
    });
  }
  Config config_ = small_config();
};

TEST_F(OutlierTrainer, LeavesThemOutAndSoDoesAResumedRun) {
  Trainer trainer = make(config_);
  steps(trainer, OutlierLosses::kWindow + 5);
  ASSERT_EQ(trainer.totals().skipped, 0);
  Trainer resumed = make(config_);
  resumed.load(save(trainer, "before"));
  for (Trainer* each : {&trainer, &resumed}) {
    scale_output(*each, 1024);  // a power of two, so undoing it is exact
    const fs::path before = save(*each, "one");
    const TrainingTotals totals = each->totals();
    each->step();
    EXPECT_EQ(each->totals().skipped, 1);
    EXPECT_EQ(each->totals().loss_sum, totals.loss_sum);
    EXPECT_TRUE(std::isnan(each->totals().gradient_norm));
    for (const char* file : {"model.safetensors", "optimizer.safetensors"})
      EXPECT_TRUE(content_of(before / file) == content_of(save(*each, "two") / file)) << file;
    scale_output(*each, 1.0 / 1024);
    steps(*each, 3);
    EXPECT_EQ(each->totals().skipped, 1);
  }
  const fs::path a = save(trainer, "a"), b = save(resumed, "b");
  for (const char* file : {"model.safetensors", "optimizer.safetensors", "state.json"})
    EXPECT_TRUE(content_of(a / file) == content_of(b / file)) << file;
}

TEST_F(OutlierTrainer, WithoutTheOptionTheyAreStepsLikeOthers) {
  config_.training.skip_outliers = 0;
  Trainer trainer = make(config_);
  steps(trainer, OutlierLosses::kWindow + 5);
  scale_output(trainer, 1024);
  trainer.step();
  EXPECT_EQ(trainer.totals().skipped, 0);
}

}  // namespace
}  // namespace ddpm
