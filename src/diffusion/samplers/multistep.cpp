// Solvers of dy / d kappa = e with y = x / signal, which integrate the predicted noise e as a
// polynomial through the last steps: y' = y + sum_j C_j e_j, with e_0 .. e_3 in m0 .. m3.
#include <algorithm>
#include <array>
#include <cmath>

#include "rows.h"

namespace ddpm {
namespace {

using Coefficients = std::array<double, 4>;  // C_0 .. C_3

ops::RegisterSum noise_sum(const Level& at, const Level& to, const Coefficients& c) {
  return scaled({.x = 1 / at.signal(), .m0 = c[0], .m1 = c[1], .m2 = c[2], .m3 = c[3]},
                to.signal());
}

ops::SamplerStep noise_row(const Level& at, const Level& to, const Coefficients& c,
                           const SamplerOptions& options) {
  ops::SamplerStep row = row_at(at, options);
  keep_noise(row, at, options);
  row.next = noise_sum(at, to, c);
  return row;
}

// Adams and Bashforth's weights for equal steps.
Coefficients adams(std::size_t order, double step) {
  constexpr std::array<Coefficients, 4> kWeights = {
      {{1},
       {3.0 / 2, -1.0 / 2},
       {23.0 / 12, -16.0 / 12, 5.0 / 12},
       {55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24}}};
  Coefficients c = kWeights.at(order - 1);
  for (double& value : c) value *= step;
  return c;
}

// Lagrange's polynomial of `order` kappas up to visited[i] that is 1 at visited[i - j], at kappa.
double lagrange(const std::vector<Level>& visited, std::size_t i, std::size_t j, std::size_t order,
                double kappa) {
  double product = 1;
  for (std::size_t l = 0; l < order; ++l)
    if (l != j)
      product *= (kappa - visited[i - l].kappa) / (visited[i - j].kappa - visited[i - l].kappa);
  return product;
}

// Its integrals over step i, by Gauss and Legendre's rule of two points, exact up to degree 3.
Coefficients polynomial(const std::vector<Level>& visited, std::size_t i) {
  const double middle = (visited[i].kappa + visited[i + 1].kappa) / 2;
  const double half = (visited[i + 1].kappa - visited[i].kappa) / 2, offset = half / std::sqrt(3.0);
  Coefficients c{};
  const std::size_t order = std::min<std::size_t>(i + 1, c.size());
  for (std::size_t j = 0; j < order; ++j)
    c.at(j) = half * (lagrange(visited, i, j, order, middle - offset) +
                      lagrange(visited, i, j, order, middle + offset));
  return c;
}

// The same with e linear in l = ln kappa through two steps: the integral of (l - a) d kappa is
// (l - 1 - a) kappa.
Coefficients logarithmic(const Level& before, const Level& at, const Level& to) {
  const double l0 = std::log(at.kappa), l1 = std::log(before.kappa), l = std::log(to.kappa);
  return {((l - 1 - l1) * to.kappa - (l0 - 1 - l1) * at.kappa) / (l0 - l1),
          ((l - 1 - l0) * to.kappa + at.kappa) / (l1 - l0)};
}

}  // namespace

SamplerPlan lms_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  SamplerPlan plan = empty_plan(options);
  const std::vector<Level> visited = levels(schedule, options, TimeFamily::kFractional);
  for (std::size_t i = 0; i + 1 < visited.size(); ++i)
    plan.steps.push_back(noise_row(visited[i], visited[i + 1], polynomial(visited, i), options));
  if (options.spacing != Spacing::kLeading && !options.from_picture)
    scale_start(plan, visited.front().sigma());
  return plan;
}

SamplerPlan ipndm_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  SamplerPlan plan = empty_plan(options);
  const std::vector<Level> visited = levels(schedule, options, TimeFamily::kRounded);
  for (std::size_t i = 0; i + 1 < visited.size(); ++i) {
    const Level &at = visited[i], &to = visited[i + 1];
    plan.steps.push_back(
        noise_row(at, to, adams(std::min<std::size_t>(i + 1, 4), to.kappa - at.kappa), options));
  }
  return plan;
}

SamplerPlan deis_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  constexpr std::size_t kFew = 15;
  SamplerPlan plan = empty_plan(options);
  std::vector<Level> visited = levels(schedule, options, TimeFamily::kSolver);
  visited.back().kappa = kappas(schedule).front();  // the logarithm of 0 is infinite
  const std::size_t steps = visited.size() - 1;
  for (std::size_t i = 0; i < steps; ++i) {
    const Level &at = visited[i], &to = visited[i + 1];
    const bool few = steps + static_cast<std::size_t>(options.skip) < kFew;
    const bool is_first_order = i == 0 || (i + 1 == steps && few);
    const Coefficients c =
        is_first_order ? Coefficients{to.kappa - at.kappa} : logarithmic(visited[i - 1], at, to);
    plan.steps.push_back(noise_row(at, to, c, options));
  }
  return plan;
}

// The first step is made twice: the noise that the network sees at its end is averaged with that at its
// beginning, and then forgotten. So the noise at the beginning, which later steps need, moves to s.
SamplerPlan plms_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  SamplerPlan plan = empty_plan(options);
  std::vector<Level> visited = levels(schedule, options, TimeFamily::kRounded);
  visited.back().kappa = kappas(schedule).front();
  const std::size_t steps = visited.size() - 1;
  for (std::size_t i = 0; i < steps; ++i) {
    const Level &at = visited[i], &to = visited[i + 1];
    const double step = to.kappa - at.kappa;
    const Coefficients c = adams(std::min<std::size_t>(i + 1, 4), step);
    ops::SamplerStep row = noise_row(at, to, c, options);
    if (i == 1) row.next = noise_sum(at, to, {c[0], 0, c[1]});
    if (i == 2) row.next = noise_sum(at, to, {c[0], c[1], 0, c[2]});
    if (i == 3) {
      row.next = noise_sum(at, to, {c[0], c[1], c[2]});
      row.next.s = to.signal() * c[3];
    }
    if (i == 0 && steps > 1) row.kept.x = 1;
    if (i == 1 || i == 2) row.kept.s = 1;
    plan.steps.push_back(row);
    if (i > 0 || steps == 1) continue;
    ops::SamplerStep again = noise_row(to, to, {}, options);
    again.next = {
        .s = to.signal() / at.signal(), .m0 = to.signal() * step / 2, .m1 = to.signal() * step / 2};
    again.kept.m1 = 1;
    plan.steps.push_back(again);
  }
  return plan;
}

}  // namespace ddpm
