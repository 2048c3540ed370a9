// Compares tables with the coefficients that tests/golden/sampler_tables.py found in diffusers'
// schedulers.
#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "ddpm/diffusion/sampler.h"

namespace ddpm {
namespace {

using nlohmann::json;

// The constant of one step and the coefficients of x, p and z.
using Coefficients = std::array<double, 4>;

// Calls the step itself, which is an affine function around p, as the script does.
Coefficients coefficients_of(const SamplerPlan& plan, const ops::SamplerStep& row, double p) {
  const auto images = [](std::array<double, 4> values) {
    return torch::tensor(at::ArrayRef<double>(values), torch::kFloat64).view({4, 1, 1, 1});
  };
  ops::SamplerRegisters registers{
      .x = images({0, 1, 0, 0}), .p = images({p, p, p + 1, p}), .z = images({0, 0, 0, 1})};
  ops::sampler_step(registers, row, plan.switches);
  const double* f = registers.x.const_data_ptr<double>();
  const double by_p = f[2] - f[0];
  return {f[0] - p * by_p, f[1] - f[0], by_p, f[3] - f[0]};
}

template <Choice E>
E choice(const json& c, const char* key, const char* otherwise = "") {
  return choose<E>(key, c.value(key, std::string(otherwise)));
}

SamplerPlan plan_of(const json& c) {
  DiffusionConfig config;
  config.zero_terminal_snr = c.value("zero_terminal_snr", false);
  return sampler_plan(choice<SamplerKind>(c, "sampler"), NoiseSchedule(config),
                      {.steps = c.at("steps"),
                       .spacing = choice<Spacing>(c, "spacing"),
                       .prediction = choice<Prediction>(c, "prediction"),
                       .variance = choice<Variance>(c, "variance", "fixed_small"),
                       .eta = c.value("eta", 0.0),
                       .use_clipped_model_output = c.value("use_clipped_model_output", true),
                       .clip_x0 = c.value("saturated", false)});
}

void expect_near(const Coefficients& actual, const Coefficients& expected, double tolerance) {
  for (std::size_t i = 0; i < actual.size(); ++i)
    EXPECT_NEAR(actual[i], expected[i], tolerance * std::max(1.0, std::abs(expected[i])))
        << "coefficient " << i;
}

void expect_case(const json& c) {
  const bool saturated = c.value("saturated", false);
  const double p = !saturated ? 0 : c.at("prediction") == "sample" ? 1000 : -1000;
  // The coefficients of a saturated case are differences of numbers of up to 1000.
  const double tolerance = saturated ? 1e-10 : 1e-11;
  const SamplerPlan plan = plan_of(c);
  ASSERT_EQ(plan.steps.size(), c.at("steps"));
  std::vector<Coefficients> rows;
  Coefficients sums = {};
  double sum_of_times = 0;
  for (const ops::SamplerStep& row : plan.steps) {
    rows.push_back(coefficients_of(plan, row, p));
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += rows.back()[i];
    sum_of_times += row.time;
  }
  EXPECT_EQ(sum_of_times, c.at("sum_of_times"));
  expect_near(sums, c.at("sums"), tolerance * 10);
  const std::size_t chosen[] = {0, rows.size() / 2, rows.size() - 1};
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_EQ(plan.steps[chosen[k]].time, c.at("times")[k]);
    expect_near(rows[chosen[k]], c.at("rows")[k], tolerance);
  }
}

TEST(SamplerTables, EqualDiffusers) {
  std::ifstream file(DDPM_SOURCE_DIR "/tests/golden/sampler_tables.json");
  const json cases = json::parse(file);
  EXPECT_EQ(cases.size(), 228);
  for (const json& c : cases) {
    json told = c;
    for (const char* result : {"times", "sum_of_times", "rows", "sums"}) told.erase(result);
    SCOPED_TRACE(told.dump());
    expect_case(c);
  }
}

}  // namespace
}  // namespace ddpm
