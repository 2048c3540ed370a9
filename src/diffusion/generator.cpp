#include "ddpm/diffusion/generator.h"

#include <array>
#include <cmath>
#include <set>

namespace ddpm {

RandomStream noise_stream(const SamplerPlan& plan) {
  std::set<double> times;
  for (const ops::SamplerStep& step : plan.steps) {
    const bool whole = step.time >= 0 && step.time == std::floor(step.time);
    if (!whole || !times.insert(step.time).second) return RandomStream::kEvaluationNoise;
  }
  return RandomStream::kStepNoise;
}

Generator::Generator(SamplerPlan plan, Predictor predictor, const GeneratorOptions& options)
    : plan_(std::move(plan)),
      needs_(needs_of(plan_)),
      predictor_(std::move(predictor)),
      options_(options),
      inputs_(options.device, 2, ops::kSamplerRowSize),
      replay_(options.device) {
  const ImageShape& shape = options.shape;
  const auto image = [&] {
    return torch::zeros({options.count, shape.channels, shape.height, shape.width},
                        torch::TensorOptions().dtype(torch::kFloat32).device(options.device));
  };
  registers_.x = image();
  if (needs_.second_image) registers_.s = image();
  for (std::size_t i = 0; i < needs_.history; ++i) registers_.m[i] = image();
}

torch::Tensor Generator::draw_noise(const ops::Draw& draw) const {
  return ops::random_normal(draw, options_.count, registers_.x.sizes().slice(1), options_.device);
}

void Generator::make_step(const ops::SamplerStep& step, const RandomKey& noise) {
  const torch::Tensor row = inputs_.floats();
  const torch::Tensor times = row.narrow(0, 0, 1).expand({options_.count});
  if (needs_.noise) registers_.z = draw_noise({noise, inputs_.integers()});
  registers_.p =
      predictor_(needs_.scaled_input ? registers_.x * row[1] : registers_.x, times, condition_);
  ops::sampler_step(registers_, step, plan_.switches, row);
  registers_.p = registers_.z = torch::Tensor();  // frees memory for the next evaluation
}

void Generator::set_condition(const Condition& condition) {
  const auto keep = [&](torch::Tensor& kept, const torch::Tensor& given) {
    if (!given.defined()) return;
    if (kept.defined())
      kept.copy_(given);
    else
      kept = given.to(options_.device, /*non_blocking=*/false, /*copy=*/true);
  };
  keep(condition_.labels, condition.labels);
  keep(condition_.context, condition.context);
  keep(condition_.vector, condition.vector);
  keep(condition_.image, condition.image);
}

torch::Tensor Generator::make(std::uint64_t first, const Condition& condition,
                              const torch::Tensor& initial_noise, const AfterStep& after_step) {
  torch::NoGradGuard no_grad;
  set_condition(condition);
  const RandomKey start{
      .seed = options_.seed, .stream = RandomStream::kInitialNoise, .sample = first};
  registers_.x.copy_(initial_noise.defined() ? initial_noise : draw_noise(start));
  RandomKey noise = start.with_stream(noise_stream(plan_));
  for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
    const ops::SamplerStep& step = plan_.steps[i];
    noise.step =
        noise.stream == RandomStream::kStepNoise ? static_cast<std::uint64_t>(step.time) : i;
    inputs_.set(std::array{static_cast<std::int64_t>(noise.step), static_cast<std::int64_t>(first)},
                ops::sampler_row(step));
    replay_([&] { make_step(step, noise); });
    if (after_step && !after_step(i + 1, step.time, registers_.x)) return {};
  }
  return registers_.x.clone();
}

torch::Tensor generate(const SamplerPlan& plan, const Predictor& predictor,
                       const GenerateRequest& request) {
  Generator generator(plan, predictor,
                      {.seed = request.seed,
                       .count = request.count,
                       .shape = request.shape,
                       .device = request.device});
  return generator.make(request.first, request.condition, request.initial_noise,
                        request.after_step);
}

}  // namespace ddpm
