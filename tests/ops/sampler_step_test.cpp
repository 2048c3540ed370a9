#include "ddpm/ops/sampler_step.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "sampler_rows.h"

namespace ddpm {
namespace {

using ops::SamplerRegisters;
using ops::SamplerStep;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// The registers at one element, and the step in plain arithmetic as in the comment of SamplerStep.
struct Element {
  double x, s, p, m1, m2, m3, z;
};

Element step(const Element& e, const SamplerStep& c) {
  const double x0 = std::clamp(c.from_x * e.x + c.from_p * e.p, c.minimum, c.maximum);
  const double m0 = c.keep_x * e.x + c.keep_x0 * x0 + c.keep_p * e.p;
  const auto sum = [&](const ops::RegisterSum& k) {
    return k.x * e.x + k.s * e.s + k.p * e.p + k.m0 * m0 + k.m1 * e.m1 + k.m2 * e.m2 + k.m3 * e.m3 +
           k.z * e.z;
  };
  return {sum(c.next), sum(c.kept), e.p, m0, e.m1, e.m2, e.z};
}

Element element_of(const SamplerRegisters& r, std::int64_t i) {
  const auto at = [i](const torch::Tensor& x) {
    return x.defined() ? x.flatten()[i].item<double>() : 0.0;
  };
  return {at(r.x), at(r.s), at(r.p), at(r.m[0]), at(r.m[1]), at(r.m[2]), at(r.z)};
}

void expect_near(const Element& actual, const Element& expected, double tolerance) {
  EXPECT_NEAR(actual.x, expected.x, tolerance);
  EXPECT_NEAR(actual.s, expected.s, tolerance);
  EXPECT_NEAR(actual.m1, expected.m1, tolerance);
  EXPECT_NEAR(actual.m2, expected.m2, tolerance);
  EXPECT_NEAR(actual.m3, expected.m3, tolerance);
}

TEST(SamplerStep, IsTheArithmeticOfItsRow) {
  torch::manual_seed(1);
  std::mt19937 engine(1);
  for (const torch::Dtype dtype : {torch::kFloat64, torch::kFloat32}) {
    SamplerRegisters registers = testing::random_registers({2, 3, 2, 2});
    testing::for_each_register(registers, [&](torch::Tensor& x) { x = x.to(dtype); });
    // Several steps are needed because each moves the remembered images on by one.
    for (int k = 0; k < 5; ++k) {
      const SamplerStep row = testing::random_row(engine);
      std::vector<Element> expected;
      for (std::int64_t i = 0; i < 24; ++i) expected.push_back(step(element_of(registers, i), row));
      ops::sampler_step(registers, row, {});
      EXPECT_EQ(registers.x.scalar_type(), dtype);
      for (std::int64_t i = 0; i < 24; ++i)
        expect_near(element_of(registers, i), expected[static_cast<std::size_t>(i)],
                    dtype == torch::kFloat64 ? 1e-13 : 1e-5);
    }
  }
}

TEST(SamplerStep, LeavesOutWhatIsNotThere) {
  torch::manual_seed(2);
  std::mt19937 engine(2);
  for (const bool second : {false, true})
    for (const std::size_t history : {0, 1, 2, 3}) {
      const testing::Registers there{second, history};
      SamplerRegisters registers = testing::random_registers({1, 1, 1, 1}, there);
      const SamplerStep row = testing::without_missing(testing::random_row(engine), there);
      Element expected = step(element_of(registers, 0), row);
      if (!second) expected.s = 0;
      if (history < 1) expected.m1 = 0;
      if (history < 2) expected.m2 = 0;
      if (history < 3) expected.m3 = 0;
      ops::sampler_step(registers, row, {});
      expect_near(element_of(registers, 0), expected, 1e-13);
      EXPECT_EQ(registers.s.defined(), second);
      for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(registers.m[i].defined(), i < history);
    }
}

// A register: its coefficient in both sums, and its tensor.
struct Place {
  double ops::RegisterSum::*coefficient;
  std::function<torch::Tensor&(SamplerRegisters&)> tensor;
};

TEST(SamplerStep, NeverReadsWhatHasNoCoefficient) {
  torch::manual_seed(3);
  std::mt19937 engine(3);
  using Sum = ops::RegisterSum;
  using Tensors = SamplerRegisters;
  const Place places[] = {{&Sum::x, [](Tensors & r) -> auto& {return r.x;
}
}  // namespace
, {&Sum::s, [](Tensors& r) -> auto& {return r.s;
}  // namespace ddpm
}
, {&Sum::p, [](Tensors& r) -> auto& {return r.p;
}
}
, {&Sum::m1, [](Tensors& r) -> auto& {return r.m[0];
}
}
, {&Sum::m2, [](Tensors& r) -> auto& {return r.m[1];
}
}
, {&Sum::m3, [](Tensors& r) -> auto& {return r.m[2];
}
}
, {
  &Sum::z, [](Tensors & r) -> auto& { return r.z; }
}
}
;
for (const Place& place : places) {
  SamplerRegisters registers = testing::random_registers({1, 1, 1, 1});
  SamplerStep row = testing::random_row(engine);
  row.next.*place.coefficient = row.kept.*place.coefficient = 0;
  if (place.coefficient == &Sum::x) row.from_x = row.keep_x = 0;
  if (place.coefficient == &Sum::p) row.from_p = row.keep_p = 0;
  place.tensor(registers).zero_();
  const Element expected = step(element_of(registers, 0), row);
  place.tensor(registers).fill_(kNan);
  ops::sampler_step(registers, row, {});
  EXPECT_NEAR(registers.x.item<double>(), expected.x, 1e-13);
  EXPECT_NEAR(registers.s.item<double>(), expected.s, 1e-13);
  EXPECT_NEAR(registers.m[0].item<double>(), expected.m1, 1e-13);
}
}

// m0 may also come from an image that is NaN.
TEST(SamplerStep, DoesNotReadM0WithoutACoefficient) {
  SamplerRegisters registers{.x = torch::full({1, 1, 1, 1}, 2.0, torch::kFloat64),
                             .p = torch::full({1, 1, 1, 1}, kNan, torch::kFloat64)};
  ops::sampler_step(registers, {.from_p = 1, .next = {.x = 3}}, {});
  EXPECT_EQ(registers.x.item<double>(), 6);
  ops::sampler_step(registers, {.from_x = 1, .keep_x0 = 0, .next = {.m0 = 3}}, {});
  EXPECT_EQ(registers.x.item<double>(), 0) << "m0 is an empty sum";
}

TEST(SamplerStep, ClippingHidesNothing) {
  for (const double maximum : {1.0, std::numeric_limits<double>::infinity()}) {
    SamplerRegisters registers{.x = torch::zeros({1, 1, 1, 1}),
                               .p = torch::full({1, 1, 1, 1}, kNan)};
    ops::sampler_step(registers, {.from_p = 1, .maximum = maximum, .next = {.m0 = 1}}, {});
    EXPECT_TRUE(std::isnan(registers.x.item<double>()));
  }
}

// diffusers' scheduler computed the expected numbers.
TEST(SamplerStep, DividesByAQuantileOfTheImage) {
  const torch::Tensor image =
      torch::tensor({-3.0, 0.2, 0.5, -1.2, 0.9, 2.0, -0.1, 0.4}, torch::kFloat64)
          .view({1, 2, 2, 2});
  const torch::Tensor small = image / 10;  // no value is above 1
  const auto step = [&](double threshold_max) {
    SamplerRegisters registers{.x = torch::zeros({2, 2, 2, 2}, torch::kFloat64),
                               .p = torch::cat({image, small})};
    ops::sampler_step(registers, {.from_p = 1, .next = {.m0 = 1}},
                      {.threshold = 0.9, .threshold_max = threshold_max});
    return registers.x;
  };
  const torch::Tensor expected =
      torch::tensor({-1.0, .08695652174, .21739130435, -.52173913043, .39130434783, .86956521739,
                     -.04347826087, .17391304348},
                    torch::kFloat64);
  EXPECT_TRUE(torch::allclose(step(10)[0].flatten(), expected, 1e-9, 1e-9));
  EXPECT_TRUE(torch::allclose(step(10)[1], small[0], 1e-9, 1e-9));
  EXPECT_TRUE(torch::allclose(step(1)[0], image[0].clamp(-1, 1), 1e-9, 1e-9));
}

TEST(SamplerStep, ScalesNoiseByTheVarianceOfTheNetwork) {
  const auto step = [](double v, ops::VarianceChannels kind) {
    SamplerRegisters registers{.x = torch::zeros({1, 1, 1, 1}, torch::kFloat64),
                               .p = torch::tensor({7.0, v}, torch::kFloat64).view({1, 2, 1, 1}),
                               .z = torch::full({1, 1, 1, 1}, 3.0, torch::kFloat64)};
    SamplerStep row{.log_variance_small = -4, .log_variance_large = -2};
    row.next.z = 0.5;
    ops::sampler_step(registers, row, {.variance = kind});
    return registers.x.item<double>();
  };
  EXPECT_NEAR(step(0.25, ops::VarianceChannels::kItself), 1.5 * 0.5, 1e-14);
  EXPECT_EQ(step(-0.25, ops::VarianceChannels::kItself), 0);
  EXPECT_NEAR(step(-1, ops::VarianceChannels::kRange), 1.5 * std::exp(-2.0), 1e-14);
  EXPECT_NEAR(step(1, ops::VarianceChannels::kRange), 1.5 * std::exp(-1.0), 1e-14);
  EXPECT_NEAR(step(0, ops::VarianceChannels::kRange), 1.5 * std::exp(-1.5), 1e-14);
  EXPECT_NEAR(step(0.25, ops::VarianceChannels::kIgnored), 1.5, 1e-14);
}

}  // namespace
}  // namespace ddpm
