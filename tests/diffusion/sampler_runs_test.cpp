// Compares whole runs of tables with those of diffusers' schedulers, see tests/golden/sampler_runs.py.
#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "ddpm/diffusion/sampler.h"

namespace ddpm {
namespace {

using nlohmann::json;

SamplerPlan plan_of(const json& c, std::int64_t steps) {
  DiffusionConfig config;
  config.zero_terminal_snr = c.value("zero_terminal_snr", false);
  return sampler_plan(
      choose<SamplerKind>("sampler", c.at("sampler").get<std::string>()), NoiseSchedule(config),
      {.steps = steps,
       .spacing = choose<Spacing>("spacing", c.value("spacing", "trailing")),
       .sigmas = choose<SigmaSpacing>("sigmas", c.value("sigmas", "schedule")),
       .sigma_min = c.value("sigma_min", 0.0),
       .sigma_max = c.value("sigma_max", 0.0),
       .prediction = choose<Prediction>("prediction", c.at("prediction").get<std::string>()),
       .churn = {.amount = c.value("churn", 0.0),
                 .low = c.value("low", 0.0),
                 .high = c.value("high", 0.0),
                 .noise = c.value("noise", 1.0)},
       .clip_x0 = c.value("clipped", false)});
}

// The last image from `start`. predict(x, time) is the network, which sees x times the input scale of a
// row; noise(k) is z of row k.
template <class Predict, class Noise>
double run_plan(const SamplerPlan& plan, double start, Predict predict, Noise noise) {
  const auto pixel = [](double value) { return torch::full({1, 1, 1, 1}, value, torch::kFloat64); };
  ops::SamplerRegisters registers{
      .x = pixel(start), .s = pixel(0), .p = {}, .m = {pixel(0), pixel(0), pixel(0)}, .z = {}};
  for (std::size_t k = 0; k < plan.steps.size(); ++k) {
    const ops::SamplerStep& row = plan.steps[k];
    registers.p = pixel(predict(row.input_scale * registers.x.item<double>(), row.time));
    registers.z = pixel(noise(k));
    ops::sampler_step(registers, row, plan.switches);
  }
  return registers.x.item<double>();
}

void expect_near(double actual, double expected, double tolerance, const char* what) {
  EXPECT_NEAR(actual, expected, tolerance * std::max(1.0, std::abs(expected))) << what;
}

void expect_run(const SamplerPlan& plan, const json& expected) {
  double seen = 0, times = 0;
  const auto predict = [&, k = 0](double x, double time) mutable {
    seen += x;
    times += time;
    return std::cos(1.3 * k++ + 0.4);
  };
  const auto noise = [](std::size_t k) { return std::sin(2.1 * static_cast<double>(k) + 0.9); };
  const double last = run_plan(plan, 0.7, predict, noise);
  expect_near(last, expected[0], 1e-10, "the last image");
  expect_near(seen, expected[1], 1e-10, "what the network sees");
  expect_near(times, expected[2], 1e-10, "what time the network is told");
}

void expect_cases(const std::string& name, std::size_t count) {
  std::ifstream file(DDPM_SOURCE_DIR "/tests/golden/" + name);
  const json cases = json::parse(file);
  EXPECT_EQ(cases.size(), count);
  for (const json& c : cases)
    for (std::size_t i = 0; i < c.at("steps").size(); ++i) {
      json told = c;
      told.erase("runs");
      told["steps"] = c.at("steps")[i];
      SCOPED_TRACE(told.dump());
      expect_run(plan_of(c, told["steps"]), c.at("runs")[i]);
    }
}

TEST(SamplerRuns, EqualDiffusers) { expect_cases("sampler_runs.json", 366); }

// See tests/golden/churn_runs.py.
TEST(SamplerRuns, WithChurnEqualKDiffusion) { expect_cases("churn_runs.json", 20); }

}  // namespace
}  // namespace ddpm
