#include "ddpm/diffusion/inpainting.h"

#include <cmath>
#include <map>
#include <utility>

#include "ddpm/base/error.h"

namespace ddpm {
namespace {

// After its step, x gets the noise of another, higher level:
// x <- r x + sqrt(sigma'^2 - r^2 sigma^2) z with r = signal' / signal.
void add_jump(ops::SamplerStep& row, double signal, double sigma, const ops::SamplerStep& to) {
  const double r = to.signal / signal;
  const double variance = to.sigma * to.sigma - r * r * sigma * sigma;
  ops::RegisterSum& next = row.next;
  for (double* factor : {&next.x, &next.p, &next.m0, &next.z}) *factor *= r;
  next.z = std::sqrt(next.z * next.z + variance);  // both noises are independent
  row.known = to.signal;
  row.known_noise = to.sigma;
}

}  // namespace

SamplerPlan keep_known_pixels(SamplerPlan plan) {
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const bool last = i + 1 == plan.steps.size();
    plan.steps[i].known = last ? 1 : plan.steps[i + 1].signal;
    plan.steps[i].known_noise = last ? 0 : plan.steps[i + 1].sigma;
  }
  return plan;
}

bool can_jump(const SamplerPlan& plan) {
  const SamplerNeeds needs = needs_of(plan);
  return needs.history == 0 && !needs.second_image &&
         plan.switches.variance == ops::VarianceChannels::kIgnored;
}

SamplerPlan repaint(const SamplerPlan& plan, const Jumps& jumps) {
  if (!can_jump(plan))
    throw ConfigError(
        "RePaint's jumps are for samplers without memory: ddpm, ddim, euler and euler-a; choose one of "
        "them, or --repeats 1 for none");
  const SamplerPlan once = keep_known_pixels(plan);
  const auto count = static_cast<std::int64_t>(plan.steps.size());
  // State s is x before row count - 1 - s; after the last row it is -1.
  const auto row_of = [&](std::int64_t state) -> const ops::SamplerStep& {
    return once.steps[static_cast<std::size_t>(count - 1 - state)];
  };
  std::map<std::int64_t, std::int64_t> left;  // jumps to make from a state
  for (std::int64_t s = 0; s < count - jumps.length; s += jumps.length) left[s] = jumps.times - 1;
  SamplerPlan result = plan;
  result.steps.clear();
  for (std::int64_t state = count - 1; state >= 0;) {
    ops::SamplerStep row = row_of(state);
    --state;
    if (const auto found = left.find(state); found != left.end() && found->second > 0) {
      --found->second;
      add_jump(row, row.known, row.known_noise, row_of(state + jumps.length));
      state += jumps.length;
    }
    result.steps.push_back(row);
  }
  return result;
}

}  // namespace ddpm
