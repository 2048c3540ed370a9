#include "preview.h"

#include <algorithm>
#include <string>

#include "ddpm/base/file.h"
#include "ddpm/data/batch.h"
#include "ddpm/data/contexts.h"
#include "ddpm/diffusion/generator.h"
#include "ddpm/image/codec.h"
#include "ddpm/image/grid.h"
#include "ddpm/sampling/setup.h"

namespace ddpm {
namespace {

// Settings of a preview: training.sample_steps steps, and the variance chosen for that number.
SamplingConfig quick(const Config& config) {
  SamplingConfig sampling = config.sampling;
  sampling.steps = std::min(config.training.sample_steps, config.diffusion.timesteps);
  sampling.variance = SamplingVariance::kAuto;
  sampling.guidance = 1;  // a preview shows the network itself
  return sampling;
}

// The contexts of the pictures: the first ones of the data, again and again; undefined for a network
// without transformers.
torch::Tensor preview_contexts(const Config& config) {
  if (config.model.context_width == 0) return {};
  const Contexts contexts(config.data.context, config.model.context_width);
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < config.training.sample_count; ++i)
    rows.push_back(i % contexts.count());
  return contexts.read(rows);
}

}  // namespace

Preview::Preview(const Config& config, const Runtime& runtime)
    : config_(config),
      device_(runtime.device),
      plan_(sampler_plan_for(config, quick(config))),
      contexts_(preview_contexts(config)) {}

bool Preview::write(Trainer& trainer, const fs::path& file,
                    const std::function<bool()>& stop) const {
  GenerateRequest request{.seed = static_cast<std::uint64_t>(config_.run.seed),
                          .count = config_.training.sample_count,
                          .shape = {config_.data.channels, config_.data.height, config_.data.width},
                          .device = device_};
  request.condition.labels =
      class_labels(config_, request.seed, request.first, request.count, device_);
  request.condition.context = contexts_.defined() ? contexts_.to(device_) : contexts_;
  request.after_step = [&](const StepReport&) { return !stop(); };
  torch::Tensor images;
  trainer.with_average_weights([&](UNet& net) {
    const Predictor predictor = [&](const torch::Tensor& x, const torch::Tensor& t,
                                    const Condition& condition) {
      return net->forward(x, t, condition);
    };
    explain_out_of_memory(device_, request.count,
                          [&] { images = generate(plan_, predictor, request); });
  });
  if (!images.defined()) return false;
  make_directories(file.parent_path());
  write_png(
      file, make_grid(tensor_to_images(images, config_.data.range)),
      {{"step", std::to_string(trainer.steps_done())}, {"seed", std::to_string(config_.run.seed)}});
  return true;
}

}  // namespace ddpm
