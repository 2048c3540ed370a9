#include "ddpm/diffusion/generator.h"

#include <array>
#include <cmath>
#include <numbers>
#include <set>
#include <stdexcept>

namespace ddpm {
namespace {

// The draws of a step whose places lie in device memory: of the images themselves, of the image that
// they vary, and of known pixels.
constexpr std::int64_t kOwnDraw = 0, kVariedDraw = 1, kKnownDraw = 2, kDraws = 3;

std::vector<std::int64_t> sizes_of(const GeneratorOptions& options) {
  const ImageShape& shape = options.shape;
  return {options.count, shape.channels, shape.height, shape.width};
}

RandomKey key_of_new_noise(const GeneratorOptions& options, const RandomKey& key) {
  constexpr std::uint64_t kFirstVariation = std::uint64_t{1} << 39;
  return options.variation ? key.with_sample(key.sample + kFirstVariation) : key;
}

RandomKey key_of_varied(const GeneratorOptions& options, const RandomKey& key) {
  return key.with_sample(options.variation ? options.variation->of : 0);
}

// The noise of images key.sample, key.sample + 1, ... `places`: where their numbers lie in device
// memory, see kDraws, or undefined.
torch::Tensor draw_noise(const GeneratorOptions& options, const RandomKey& key,
                         const torch::Tensor& places) {
  const std::vector<std::int64_t> sizes = sizes_of(options);
  const torch::IntArrayRef shape = torch::IntArrayRef(sizes).slice(1);
  const auto draw = [&](const RandomKey& of, std::int64_t number, std::int64_t count) {
    const torch::Tensor place = places.defined() ? places.narrow(0, 2 * number, 2) : places;
    return ops::random_normal({of, place}, count, shape, options.device);
  };
  torch::Tensor noise = draw(key_of_new_noise(options, key), kOwnDraw, options.count);
  if (!options.variation) return noise;
  const double angle = options.variation->amount * std::numbers::pi / 2;
  return std::cos(angle) * draw(key_of_varied(options, key), kVariedDraw, 1) +
         std::sin(angle) * noise;
}

}  // namespace

RandomStream noise_stream(const SamplerPlan& plan) {
  std::set<double> times;
  for (const ops::SamplerStep& step : plan.steps) {
    const bool whole = step.time >= 0 && step.time == std::floor(step.time);
    if (!whole || !times.insert(step.time).second) return RandomStream::kEvaluationNoise;
  }
  return RandomStream::kStepNoise;
}

torch::Tensor starting_noise(const GeneratorOptions& options, std::uint64_t first) {
  const RandomKey key{.seed = options.seed, .stream = RandomStream::kInitialNoise, .sample = first};
  return draw_noise(options, key, {});
}

Generator::Generator(SamplerPlan plan, Predictor predictor, const GeneratorOptions& options)
    : plan_(std::move(plan)),
      needs_(needs_of(plan_)),
      predictor_(std::move(predictor)),
      options_(options),
      inputs_(options.device, 2 * kDraws, ops::kSamplerRowSize),
      replay_(options.device),
      guided_replay_(options.device) {
  if (options.guidance)
    guided_ =
        guided(predictor_, *options.guidance, inputs_.floats().narrow(0, ops::kGuidanceInRow, 1));
  if (needs_.guidance && !guided_)
    throw std::invalid_argument("the plan asks for guidance, but there is none");
  const auto image = [&] {
    return torch::zeros(sizes_of(options),
                        torch::TensorOptions().dtype(torch::kFloat32).device(options.device));
  };
  registers_.x = image();
  if (needs_.second_image) registers_.s = image();
  for (std::size_t i = 0; i < needs_.history; ++i) registers_.m[i] = image();
  if (options.report_x0) x0_ = image();
}

torch::Tensor Generator::step_noise(const RandomKey& key) const {
  return draw_noise(options_, key, inputs_.integers());
}

// The kept pixels of x become those of the picture with the noise of their level.
void Generator::blend_known(const RandomKey& key) {
  const torch::Tensor row = inputs_.floats();
  const KnownPixels& known = *options_.known;
  torch::Tensor noise = known.noise;
  if (!noise.defined())
    noise = ops::random_normal({key, inputs_.integers().narrow(0, 2 * kKnownDraw, 2)},
                               options_.count, registers_.x.sizes().slice(1), options_.device);
  registers_.x.copy_(torch::where(
      known.keep, row[ops::kKnownInRow] * known.picture + row[ops::kKnownNoiseInRow] * noise,
      registers_.x));
}

void Generator::make_step(const Predictor& predictor, const ops::SamplerStep& step,
                          const RandomKey& noise, const RandomKey& known) {
  const torch::Tensor row = inputs_.floats();
  const torch::Tensor times = row.narrow(0, ops::kTimeInRow, 1).expand({options_.count});
  if (needs_.noise) registers_.z = step_noise(noise);
  registers_.p =
      predictor(needs_.scaled_input ? registers_.x * row[ops::kInputScaleInRow] : registers_.x,
                times, condition_);
  if (options_.report_x0) x0_.copy_(ops::predicted_image(registers_, plan_.switches, row));
  ops::sampler_step(registers_, step, plan_.switches, row);
  registers_.p = registers_.z = torch::Tensor();  // frees memory for the next evaluation
  if (options_.known) blend_known(known);
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

void Generator::set_inputs(const ops::SamplerStep& step, const RandomKey& noise,
                           const RandomKey& known) {
  const auto integer = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  std::array<std::int64_t, 2 * kDraws> integers = {};
  const RandomKey own = key_of_new_noise(options_, noise), near = key_of_varied(options_, noise);
  integers[2 * kOwnDraw] = integer(own.step);
  integers[2 * kOwnDraw + 1] = integer(own.sample);
  integers[2 * kVariedDraw] = integer(near.step);
  integers[2 * kVariedDraw + 1] = integer(near.sample);
  integers[2 * kKnownDraw] = integer(known.step);
  integers[2 * kKnownDraw + 1] = integer(known.sample);
  inputs_.set(integers, ops::sampler_row(step));
}

torch::Tensor Generator::make(std::uint64_t first, const Condition& condition,
                              const torch::Tensor& start, const AfterStep& after_step) {
  torch::NoGradGuard no_grad;
  set_condition(condition);
  registers_.x.copy_(start.defined() ? start : starting_noise(options_, first));
  RandomKey noise{.seed = options_.seed, .stream = noise_stream(plan_), .sample = first};
  RandomKey known =
      noise.with_stream(needs_.noise ? RandomStream::kKnownNoise : RandomStream::kInitialNoise);
  for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
    const ops::SamplerStep& step = plan_.steps[i];
    noise.step =
        noise.stream == RandomStream::kStepNoise ? static_cast<std::uint64_t>(step.time) : i;
    known.step = needs_.noise ? i : 0;
    set_inputs(step, noise, known);
    if (step.guidance == 1)
      replay_([&] { make_step(predictor_, step, noise, known); });
    else
      guided_replay_([&] { make_step(guided_, step, noise, known); });
    if (after_step && !after_step({i + 1, step.time, registers_.x, x0_})) return {};
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
