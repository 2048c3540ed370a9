// Compares runs that begin with a picture with those of diffusers' schedulers, see
// tests/golden/picture_starts.py.
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

SamplerPlan plan_of(const json& c, std::int64_t steps, std::int64_t skip) {
  return sampler_plan(
      choose<SamplerKind>("sampler", c.at("sampler").get<std::string>()),
      NoiseSchedule(DiffusionConfig{}),
      {.steps = steps,
       .from_picture = true,
       .skip = skip,
       .spacing = choose<Spacing>("spacing", c.at("spacing").get<std::string>()),
       .sigmas = choose<SigmaSpacing>("sigmas", c.value("sigmas", "schedule")),
       .prediction = choose<Prediction>("prediction", c.at("prediction").get<std::string>()),
       .clip_x0 = false});
}

struct Sums {
  double last = 0, seen = 0, times = 0;
};

// The picture is 0.3 and its noise 0.7.
Sums run_plan(const SamplerPlan& plan) {
  const auto pixel = [](double value) { return torch::full({1, 1, 1, 1}, value, torch::kFloat64); };
  ops::SamplerRegisters registers{.x = pixel(0.3 * plan.start_image + 0.7 * plan.start_noise),
                                  .s = pixel(0),
                                  .p = {},
                                  .m = {pixel(0), pixel(0), pixel(0)},
                                  .z = {}};
  Sums sums;
  for (std::size_t k = 0; k < plan.steps.size(); ++k) {
    const ops::SamplerStep& row = plan.steps[k];
    const auto number = static_cast<double>(k);
    sums.seen += row.input_scale * registers.x.item<double>();
    sums.times += row.time;
    registers.p = pixel(std::cos(1.3 * number + 0.4));
    registers.z = pixel(std::sin(2.1 * number + 0.9));
    ops::sampler_step(registers, row, plan.switches);
  }
  sums.last = registers.x.item<double>();
  return sums;
}

void expect_near(double actual, double expected, const char* what) {
  EXPECT_NEAR(actual, expected, 1e-10 * std::max(1.0, std::abs(expected))) << what;
}

TEST(PictureStarts, EqualDiffusers) {
  std::ifstream file(DDPM_SOURCE_DIR "/tests/golden/picture_starts.json");
  const json cases = json::parse(file);
  EXPECT_EQ(cases.size(), 68);
  for (const json& c : cases)
    for (const json& expected : c.at("runs")) {
      json told = c;
      told["runs"] = expected;
      SCOPED_TRACE(told.dump());
      const Sums sums = run_plan(plan_of(c, expected.at("steps"), expected.at("skip")));
      expect_near(sums.last, expected.at("values")[0], "the last image");
      expect_near(sums.seen, expected.at("values")[1], "what the network sees");
      expect_near(sums.times, expected.at("values")[2], "what time the network is told");
    }
}

// All data are one image m. Then x = signal m + sigma e in every step, with the same e where no noise is
// added, and the noise that a network predicts is known.
TEST(PictureStarts, RowsTellTheNoiseLevelOfTheirImage) {
  constexpr double kImage = 0.4, kNoise = 1.1;
  for (const SamplerKind kind : kChoices<SamplerKind>) {
    SCOPED_TRACE(name_of(kind));
    for (const std::int64_t skip : {0, 3}) {
      const SamplerPlan plan =
          sampler_plan(kind, NoiseSchedule(DiffusionConfig{}),
                       {.steps = 9, .from_picture = true, .skip = skip, .clip_x0 = false});
      if (needs_of(plan).noise) continue;
      EXPECT_EQ(plan.start_image, plan.steps.front().signal);
      const auto pixel = [](double value) {
        return torch::full({1, 1, 1, 1}, value, torch::kFloat64);
      };
      ops::SamplerRegisters registers{
          .x = pixel(plan.start_image * kImage + plan.start_noise * kNoise),
          .s = pixel(0),
          .p = {},
          .m = {pixel(0), pixel(0), pixel(0)},
          .z = {}};
      for (const ops::SamplerStep& row : plan.steps) {
        EXPECT_NEAR(row.signal * row.signal + row.sigma * row.sigma, 1, 1e-12);
        EXPECT_NEAR(registers.x.item<double>(), row.signal * kImage + row.sigma * kNoise, 1e-9);
        registers.p = (registers.x - row.signal * kImage) / row.sigma;
        ops::sampler_step(registers, row, plan.switches);
      }
      // deis and plms end with the noise of timestep 0.
      EXPECT_NEAR(registers.x.item<double>(), kImage, 0.012);
    }
  }
}

}  // namespace
}  // namespace ddpm
