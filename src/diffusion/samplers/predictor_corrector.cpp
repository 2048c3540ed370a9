#include <cmath>

#include "rows.h"

namespace ddpm {
namespace {

// The exact solution of a step while x0 stays m.
struct BaseStep {
  double h;      // in lambda
  double x;      // coefficient of the image before the step
  double image;  // coefficient of m: of the differences too, UniPC's "bh2"
};
BaseStep base_step(const Level& at, const Level& to) {
  const double h = to.lambda() - at.lambda();
  return {.h = h, .x = to.sigma() / at.sigma(), .image = -to.signal() * std::expm1(-h)};
}

// The image at visited[i] from s, the image before it, once m0 is known there; of one order more than
// the predictor, `order`, whose result it replaces.
ops::RegisterSum corrected(const std::vector<Level>& visited, std::size_t i, int order) {
  const BaseStep base = base_step(visited[i - 1], visited[i]);
  ops::RegisterSum sum{.s = base.x, .m1 = base.image};
  double by_newest = 0.5;  // of m0 - m1
  if (order == 2) {
    // Two equations: b1 = rho1 + rho2, b2 = r rho1 + rho2.
    const double r = (visited[i - 2].lambda() - visited[i - 1].lambda()) / base.h;
    const double decay = std::expm1(-base.h);
    const double g1 = -decay / base.h - 1, g2 = -g1 / base.h - 0.5;
    const double b1 = g1 / decay, b2 = 2 * g2 / decay;
    const double by_older = (b1 - b2) / (1 - r);  // of (m2 - m1) / r
    by_newest = b1 - by_older;
    sum.m2 += base.image * by_older / r;
    sum.m1 -= base.image * by_older / r;
  }
  sum.m0 += base.image * by_newest;
  sum.m1 -= base.image * by_newest;
  return sum;
}

}  // namespace

// Zhao et al., "UniPC: A Unified Predictor-Corrector Framework", order 2. x is the predicted image,
// which the network sees; s the corrected image one step before it.
SamplerPlan unipc_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  SamplerPlan plan = empty_plan(options);
  const std::vector<Level> visited = levels(schedule, options, TimeFamily::kSolver);
  const std::size_t steps = visited.size() - 1;
  int order = 0;  // of the last predictor
  for (std::size_t i = 0; i < steps; ++i) {
    ops::SamplerStep row = row_at(visited[i], options);
    row.kept = i == 0 ? ops::RegisterSum{.x = 1} : corrected(visited, i, order);
    order = i == 0 || i + 1 == steps ? 1 : 2;
    const BaseStep base = base_step(visited[i], visited[i + 1]);
    row.next = scaled(row.kept, base.x);
    row.next.m0 += base.image;
    if (order == 2) {
      const double r = (visited[i - 1].lambda() - visited[i].lambda()) / base.h;
      row.next.m1 += 0.5 * base.image / r;
      row.next.m0 -= 0.5 * base.image / r;
    }
    plan.steps.push_back(row);
  }
  return plan;
}

}  // namespace ddpm
