// Random rows and registers of samplers, for tests.
#pragma once

#include <torch/types.h>

#include <random>

#include "ddpm/ops/sampler_step.h"

namespace ddpm::testing {

// A row without zeros, so that every number has an effect.
inline ops::SamplerStep random_row(std::mt19937& engine) {
  std::uniform_real_distribution<double> uniform(0.1, 1.0);
  const auto number = [&] { return engine() % 2 == 0 ? uniform(engine) : -uniform(engine); };
  const auto sum = [&] {
    return ops::RegisterSum{number(), number(), number(), number(),
                            number(), number(), number(), number()};
  };
  ops::SamplerStep row{.time = 500.5,
                       .input_scale = 0.5,
                       .from_x = number(),
                       .from_p = number(),
                       .minimum = -uniform(engine),
                       .maximum = uniform(engine),
                       .keep_x = number(),
                       .keep_x0 = number(),
                       .keep_p = number()};
  row.next = sum();
  row.kept = sum();
  row.log_variance_small = -5;
  row.log_variance_large = -3;
  return row;
}

// Tells whether there is a second image and how many images are remembered.
struct Registers {
  bool second = true;
  std::size_t history = 3;
};

// The row with coefficient 0 for registers that do not exist.
inline ops::SamplerStep without_missing(ops::SamplerStep row, const Registers& there) {
  for (ops::RegisterSum* sum : {&row.next, &row.kept}) {
    if (!there.second) sum->s = 0;
    if (there.history < 1) sum->m1 = 0;
    if (there.history < 2) sum->m2 = 0;
    if (there.history < 3) sum->m3 = 0;
  }
  return row;
}

// Standard normal values in float64 that float32 can hold. The prediction has `channels` times the
// channels of x.
inline ops::SamplerRegisters random_registers(const std::vector<std::int64_t>& shape,
                                              const Registers& there = {},
                                              std::int64_t channels = 1) {
  const auto image = [&](std::int64_t factor) {
    std::vector<std::int64_t> sizes = shape;
    sizes[1] *= factor;
    return torch::randn(sizes).to(torch::kFloat64);
  };
  ops::SamplerRegisters registers{.x = image(1), .p = image(channels), .z = image(1)};
  if (there.second) registers.s = image(1);
  for (std::size_t i = 0; i < there.history; ++i) registers.m[i] = image(1);
  return registers;
}

template <class Function>
void for_each_register(ops::SamplerRegisters& r, const Function& function) {
  for (torch::Tensor* x : {&r.x, &r.s, &r.p, &r.m[0], &r.m[1], &r.m[2], &r.z})
    if (x->defined()) function(*x);
}

}  // namespace ddpm::testing
