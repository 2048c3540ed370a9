#include "ddpm/training/schedules.h"

#include <gtest/gtest.h>

namespace ddpm {
namespace {

TEST(LearningRate, RisesLinearlyThenStays) {
  TrainingConfig config;
  config.learning_rate = 2e-4;
  config.warmup_steps = 5000;
  EXPECT_DOUBLE_EQ(learning_rate(config, 1), 4e-8);
  EXPECT_DOUBLE_EQ(learning_rate(config, 2500), 1e-4);
  EXPECT_DOUBLE_EQ(learning_rate(config, 5000), 2e-4);
  EXPECT_DOUBLE_EQ(learning_rate(config, 5001), 2e-4);
  EXPECT_DOUBLE_EQ(learning_rate(config, 1000000), 2e-4);
}

TEST(LearningRate, IsFullFromTheFirstStepWithoutWarmup) {
  TrainingConfig config;
  config.learning_rate = 0.5;
  config.warmup_steps = 0;
  EXPECT_DOUBLE_EQ(learning_rate(config, 1), 0.5);
}

TEST(LearningRate, FallsAsACosineToZeroAtTheLastStep) {
  TrainingConfig config;
  config.learning_rate = 0.8;
  config.warmup_steps = 10;
  config.steps = 70;
  config.learning_rate_schedule = LearningRateSchedule::kCosine;
  EXPECT_DOUBLE_EQ(learning_rate(config, 5), 0.4);
  EXPECT_DOUBLE_EQ(learning_rate(config, 10), 0.8);
  EXPECT_NEAR(learning_rate(config, 30), 0.6, 1e-12);  // a third of the way: (1 + cos 60 deg) / 2
  EXPECT_NEAR(learning_rate(config, 40), 0.4, 1e-12);
  EXPECT_NEAR(learning_rate(config, 50), 0.2, 1e-12);
  EXPECT_NEAR(learning_rate(config, 70), 0, 1e-12);
  EXPECT_NEAR(learning_rate(config, 100), 0, 1e-12);  // never rises again
}

TEST(LearningRate, EndsBeforeALongerWarmupDoes) {
  TrainingConfig config;
  config.learning_rate = 1;
  config.warmup_steps = 100;
  config.steps = 10;
  config.learning_rate_schedule = LearningRateSchedule::kCosine;
  EXPECT_DOUBLE_EQ(learning_rate(config, 10), 0.1);
}

// The values of Karras et al.'s definition, computed with NumPy in float64.
TEST(EmaDecay, WithALengthIsAPowerFunction) {
  EXPECT_NEAR(ema_exponent(0.05), 16.9721986, 1e-6);
  EXPECT_NEAR(ema_exponent(0.075), 10.28911645, 1e-6);
  EXPECT_NEAR(ema_exponent(0.1), 6.937203938, 1e-7);
  TrainingConfig config;
  config.ema_length = 0.05;
  EXPECT_EQ(ema_decay(config, 0), 0);
  EXPECT_NEAR(ema_decay(config, 999), 0.9821795063, 1e-9);
  config.ema_length = 0.1;
  EXPECT_NEAR(ema_decay(config, 999), 0.9920902726, 1e-9);
  config.ema_decay = 0;  // no averaging
  EXPECT_EQ(ema_decay(config, 999), 0);
}

TEST(EmaDecay, WarmsUp) {
  TrainingConfig config;
  config.ema_decay = 0.9999;
  EXPECT_DOUBLE_EQ(ema_decay(config, 0), 0.1);
  EXPECT_DOUBLE_EQ(ema_decay(config, 8), 0.5);
  EXPECT_DOUBLE_EQ(ema_decay(config, 90), 0.91);
  EXPECT_DOUBLE_EQ(ema_decay(config, 89989), 89990.0 / 89999.0);  // the last decay below 0.9999
  EXPECT_DOUBLE_EQ(ema_decay(config, 89991), 0.9999);
  EXPECT_DOUBLE_EQ(ema_decay(config, 100000000), 0.9999);
}

TEST(EmaDecay, IsConstantWithoutWarmup) {
  TrainingConfig config;
  config.ema_decay = 0.99;
  config.ema_warmup = false;
  EXPECT_DOUBLE_EQ(ema_decay(config, 0), 0.99);
  EXPECT_DOUBLE_EQ(ema_decay(config, 1000), 0.99);
}

}  // namespace
}  // namespace ddpm
