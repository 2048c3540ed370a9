#include "ddpm/bench/throughput.h"

#include <torch/types.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/random.h"
#include "ddpm/base/stopwatch.h"
#include "ddpm/data/fit.h"
#include "ddpm/data/image_store.h"
#include "ddpm/diffusion/generator.h"
#include "ddpm/nn/bound_network.h"
#include "ddpm/nn/initialize.h"
#include "ddpm/sampling/setup.h"
#include "ddpm/training/trainer.h"

namespace ddpm {
namespace {

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// The median of the seconds of one call, over windows that together last about `seconds`.
double time_calls(torch::Device device, double seconds, const std::function<void()>& work) {
  constexpr int kWindows = 8;
  const auto timed = [&](int calls) {
    synchronize(device);
    const Stopwatch watch;
    for (int i = 0; i < calls; ++i) work();
    synchronize(device);
    return watch.seconds() / calls;
  };
  const double once = timed(1);
  const int calls = std::max(1, static_cast<int>(seconds / kWindows / std::max(once, 1e-6)));
  std::vector<double> windows;
  for (int i = 0; i < kWindows && (i < 2 || calls > 1 || once * i < seconds); ++i)
    windows.push_back(timed(calls));
  return median(windows);
}

// The values of pixels do not matter for speed, but they must differ.
ImageStore random_images(const DataConfig& data) {
  constexpr std::int64_t kCount = 4096;
  ImageStoreInfo info{.stored_height = data.height,
                      .stored_width = data.width,
                      .channels = data.channels,
                      .height = data.height,
                      .width = data.width,
                      .source = "random"};
  std::vector<std::uint8_t> pixels(
      static_cast<std::size_t>(kCount * data.height * data.width * data.channels));
  for (std::size_t i = 0; i < pixels.size(); ++i)
    pixels[i] = static_cast<std::uint8_t>(random_word({}, i) >> 24);
  return ImageStore(std::move(info), std::move(pixels), std::vector<std::int64_t>(kCount, 0));
}

}  // namespace

Config with_image_shape(Config config) {
  DataConfig& data = config.data;
  data.crop = Crop::kCenter;
  const std::optional<StoreShape> known = known_shape(data);
  const StoreShape shape = known ? *known : resolve_shape(data, 32, 32, 3);
  data.height = shape.height;
  data.width = shape.width;
  data.channels = shape.channels;
  return config;
}

Ceilings measure_ceilings(const Runtime& runtime) {
  const bool cpu = runtime.device.is_cpu();
  const std::int64_t n = cpu ? 1024 : 8192;
  const std::int64_t floats = cpu ? 1 << 26 : 1 << 28;
  const auto options = torch::TensorOptions().device(runtime.device);
  const torch::Tensor a = torch::randn({n, n}, options).to(runtime.compute_dtype);
  const torch::Tensor b = torch::randn({n, n}, options).to(runtime.compute_dtype);
  torch::Tensor product = torch::mm(a, b);
  const double matmul = time_calls(runtime.device, 0.5, [&] { torch::mm_out(product, a, b); });
  const torch::Tensor from = torch::randn({floats}, options);
  torch::Tensor to = torch::empty_like(from);
  const double copy = time_calls(runtime.device, 0.5, [&] { to.copy_(from); });
  const auto side = static_cast<double>(n);
  return {.matmul_tflops = 2 * side * side * side / matmul * 1e-12,
          .copy_gbps = 8 * static_cast<double>(floats) / copy * 1e-9};
}

TrainingSpeed bench_training(const Config& config, const Runtime& runtime,
                             const BenchOptions& options) {
  const ImageStore images = random_images(config.data);
  TrainingSpeed speed;
  const Stopwatch watch;
  Trainer trainer(config, images, runtime);
  // On a GPU the third step records a graph, so the fourth is the first step at full speed.
  const int warm_up = runtime.device.is_cpu() ? 1 : 4;
  for (int i = 0; i < warm_up; ++i) trainer.step();
  static_cast<void>(trainer.totals());
  speed.seconds_to_steady_step = watch.seconds();

  const double seconds = time_calls(runtime.device, options.seconds, [&] { trainer.step(); });
  speed.step_milliseconds = 1e3 * seconds;
  speed.images_per_second = static_cast<double>(config.training.batch_size) / seconds;
  speed.peak_memory_bytes = peak_memory_bytes(runtime.device);
  if (options.kernels) {
    KernelProfiler profiler(runtime.device);
    trainer.step();
    speed.kernels = profiler.stop();
  }
  static_cast<void>(trainer.totals());  // throws if a gradient was not finite
  return speed;
}

SamplingSpeed bench_sampling(const Config& config, const Runtime& runtime,
                             const BenchOptions& options) {
  torch::NoGradGuard no_grad;
  BoundNetwork<UNet> net(UNet(config.model, config.data.channels), torch::kFloat32, runtime.device);
  initialize_weights(*net.net(), config.model.initialization, 0);
  net.bind(net.flat().to(runtime.compute_dtype));

  const std::int64_t count = config.sampling.batch_size;
  const Predictor predictor = [&](const torch::Tensor& x, const torch::Tensor& t,
                                  const Condition& condition) {
    return net->forward(x, t, condition);
  };
  GenerateRequest request{.count = count,
                          .shape = {config.data.channels, config.data.height, config.data.width},
                          .device = runtime.device,
                          .condition = zero_condition(config.model, count, runtime.device)};
  const SamplerPlan plan = sampler_plan_for(config, {});
  SamplingSpeed speed;
  // Steps are timed in windows, and start-up is not in any window.
  const std::size_t steps = plan.steps.size();
  if (steps < 2)
    throw ConfigError(format_text(
        "diffusion.timesteps = {}: the speed of sampling is measured after the first step; set at "
        "least 2",
        steps));
  const std::size_t window = runtime.device.is_cpu() ? 1 : std::min<std::size_t>(25, steps / 2);
  std::vector<double> windows;
  const Stopwatch all;
  Stopwatch one;
  const auto done = [&] { return windows.size() >= 3 && all.seconds() >= options.seconds; };
  request.after_step = [&](const StepReport& report) {
    if (report.step % window != 0) return true;
    synchronize(runtime.device);
    if (report.step > window) windows.push_back(one.seconds());
    one = {};
    return !done();
  };
  while (!done()) static_cast<void>(generate(plan, predictor, request));
  const double seconds = median(windows) / static_cast<double>(window);
  speed.evaluations_per_second = static_cast<double>(count) / seconds;
  speed.step_milliseconds = 1e3 * seconds;
  speed.peak_memory_bytes = peak_memory_bytes(runtime.device);
  if (options.kernels) {
    std::optional<KernelProfiler> profiler;
    request.after_step = [&](const StepReport& report) {
      if (report.step == window) profiler.emplace(runtime.device);
      if (report.step == window + 1) speed.kernels = profiler->stop();
      return report.step <= window;
    };
    static_cast<void>(generate(plan, predictor, request));
  }
  return speed;
}

}  // namespace ddpm
