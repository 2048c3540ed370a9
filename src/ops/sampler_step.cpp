#include "ddpm/ops/sampler_step.h"

#include <cstddef>
#include <utility>

#include "ddpm/kernels/sampler_step.h"
#include "kernels.h"

namespace ddpm::ops {
namespace {

using torch::Tensor;

static_assert(sizeof(kernels::SamplerRow) == kSamplerRowSize * sizeof(float));

// coefficient * value, ...; a value with coefficient 0 is not read.
using Terms = std::initializer_list<std::pair<double, const Tensor&>>;

Tensor sum_of(const Terms& terms, const Tensor& like) {
  Tensor sum;
  for (const auto& [coefficient, value] : terms) {
    if (coefficient == 0) continue;
    if (sum.defined())
      sum.add_(value, coefficient);
    else
      sum = value * coefficient;
  }
  return sum.defined() ? sum : torch::zeros_like(like);
}

Tensor sum_of(const RegisterSum& c, const SamplerRegisters& r, const Tensor& p, const Tensor& m0,
              const Tensor& z) {
  return sum_of({{c.x, r.x},
                 {c.s, r.s},
                 {c.p, p},
                 {c.m0, m0},
                 {c.m1, r.m[0]},
                 {c.m2, r.m[1]},
                 {c.m3, r.m[2]},
                 {c.z, z}},
                r.x);
}

// The bound b of every image, [N].
Tensor bounds_of(const Tensor& x0, const SamplerSwitches& switches) {
  const Tensor quantiles = torch::quantile(x0.flatten(1).abs(), switches.threshold, 1);
  return quantiles.clamp(1, switches.threshold_max);
}

// z as large as the noise of the step, by the network's channels v for the variance. The bounds are
// numbers, or tensors of one element on the device.
template <class Number>
Tensor scaled_noise(const Tensor& z, const Tensor& v, VarianceChannels kind, const Number& small,
                    const Number& large) {
  if (kind == VarianceChannels::kItself) return z * v.clamp_min(0).sqrt();
  const Tensor f = (v + 1) / 2;
  return z * torch::exp(0.5 * (f * large + (1 - f) * small));
}

Tensor prediction_of(const SamplerRegisters& r) { return r.p.narrow(1, 0, r.x.size(1)); }
Tensor variance_of(const SamplerRegisters& r) { return r.p.narrow(1, r.x.size(1), r.x.size(1)); }

void step_by_operators(SamplerRegisters& r, const SamplerStep& step,
                       const SamplerSwitches& switches) {
  const Tensor p = prediction_of(r);
  Tensor x0 = sum_of({{step.from_x, r.x}, {step.from_p, p}}, r.x);
  if (switches.threshold > 0) {
    const Tensor bound = bounds_of(x0, switches).view({-1, 1, 1, 1});
    x0 = torch::minimum(torch::maximum(x0, -bound), bound) / bound;
  }
  x0 = x0.clamp(step.minimum, step.maximum);
  const Tensor m0 = sum_of({{step.keep_x, r.x}, {step.keep_x0, x0}, {step.keep_p, p}}, r.x);
  Tensor z = r.z;
  if (switches.variance != VarianceChannels::kIgnored && z.defined())
    z = scaled_noise(z, variance_of(r), switches.variance, step.log_variance_small,
                     step.log_variance_large);
  const Tensor next = sum_of(step.next, r, p, m0, z);
  if (r.s.defined()) r.s = sum_of(step.kept, r, p, m0, z);
  r.x = next;
  for (std::size_t i = r.m.size(); i-- > 0;)
    if (r.m[i].defined()) r.m[i] = i == 0 ? m0 : r.m[i - 1];
}

// The number of a row in device memory whose place in kernels::SamplerRow is `offset`.
Tensor number(const Tensor& row, std::size_t offset) {
  return row[static_cast<std::int64_t>(offset / sizeof(float))];
}

float* writable(const Tensor& x) { return x.defined() ? x.data_ptr<float>() : nullptr; }
const float* readable(const Tensor& x) { return x.defined() ? x.const_data_ptr<float>() : nullptr; }

void step_by_kernel(SamplerRegisters& r, const SamplerSwitches& switches, const Tensor& row) {
  using Row = kernels::SamplerRow;
  const Tensor p = prediction_of(r).contiguous();
  Tensor z = r.z, bounds;
  if (switches.variance != VarianceChannels::kIgnored && z.defined())
    z = scaled_noise(z, variance_of(r), switches.variance,
                     number(row, offsetof(Row, log_variance_small)),
                     number(row, offsetof(Row, log_variance_large)))
            .contiguous();
  if (switches.threshold > 0)
    bounds =
        bounds_of(number(row, offsetof(Row, from_x)) * r.x + number(row, offsetof(Row, from_p)) * p,
                  switches);
  kernels::sampler_step({.x = writable(r.x),
                         .s = writable(r.s),
                         .p = readable(p),
                         .m1 = writable(r.m[0]),
                         .m2 = writable(r.m[1]),
                         .m3 = writable(r.m[2]),
                         .z = readable(z),
                         .bounds = readable(bounds),
                         .count = r.x.numel(),
                         .count_per_image = r.x[0].numel()},
                        reinterpret_cast<const Row*>(row.const_data_ptr<float>()), stream_of(r.x));
}

}  // namespace

std::array<double, kSamplerRowSize> sampler_row(const SamplerStep& s) {
  const RegisterSum &n = s.next, &k = s.kept;
  return {s.time,
          s.input_scale,
          s.from_x,
          s.from_p,
          s.minimum,
          s.maximum,
          s.keep_x,
          s.keep_x0,
          s.keep_p,
          n.x,
          n.s,
          n.p,
          n.m0,
          n.m1,
          n.m2,
          n.m3,
          n.z,
          k.x,
          k.s,
          k.p,
          k.m0,
          k.m1,
          k.m2,
          k.m3,
          k.z,
          s.log_variance_small,
          s.log_variance_large,
          s.guidance,
          s.known,
          s.known_noise};
}

Tensor predicted_image(const SamplerRegisters& registers, const SamplerSwitches& switches,
                       const Tensor& row) {
  using Row = kernels::SamplerRow;
  Tensor x0 = number(row, offsetof(Row, from_x)) * registers.x +
              number(row, offsetof(Row, from_p)) * prediction_of(registers);
  if (switches.threshold > 0) {
    const Tensor bound = bounds_of(x0, switches).view({-1, 1, 1, 1});
    x0 = torch::minimum(torch::maximum(x0, -bound), bound) / bound;
  }
  return torch::minimum(torch::maximum(x0, number(row, offsetof(Row, minimum))),
                        number(row, offsetof(Row, maximum)));
}

void sampler_step(SamplerRegisters& registers, const SamplerStep& step,
                  const SamplerSwitches& switches, const Tensor& row) {
  if (use_kernels(registers.x))
    step_by_kernel(registers, switches, row);
  else
    step_by_operators(registers, step, switches);
}

}  // namespace ddpm::ops
