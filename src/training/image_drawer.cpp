#include "image_drawer.h"

#include <algorithm>
#include <vector>

#include "ddpm/data/contexts.h"
#include "ddpm/diffusion/generator.h"
#include "ddpm/sampling/setup.h"

namespace ddpm {
namespace {

constexpr std::int64_t kMostContexts = 4096;

torch::Tensor first_contexts(const Config& config) {
  if (config.model.context_width == 0) return {};
  const Contexts contexts(config.data.context, config.model.context_width);
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < std::min(contexts.count(), kMostContexts); ++i) rows.push_back(i);
  return contexts.read(rows);
}

}  // namespace

ImageDrawer::ImageDrawer(const Config& config, const SamplingConfig& sampling, torch::Device device)
    : config_(config),
      device_(device),
      plan_(sampler_plan_for(config, sampling)),
      contexts_(first_contexts(config)) {}

Condition ImageDrawer::condition_of(std::int64_t first, std::int64_t count) const {
  Condition condition;
  condition.labels = class_labels(config_, static_cast<std::uint64_t>(config_.run.seed),
                                  static_cast<std::uint64_t>(first), count, device_);
  if (contexts_.defined()) {
    const torch::Tensor rows = torch::arange(first, first + count) % contexts_.size(0);
    condition.context = contexts_.index_select(0, rows).to(device_);
  }
  return condition;
}

bool ImageDrawer::draw(Trainer& trainer, std::int64_t count, std::int64_t batch,
                       const std::function<bool()>& stop, const TakeImages& take) const {
  const std::int64_t rows = std::min(batch, count);
  const GeneratorOptions options{
      .seed = static_cast<std::uint64_t>(config_.run.seed),
      .count = rows,
      .shape = {config_.data.channels, config_.data.height, config_.data.width},
      .device = device_};
  bool finished = true;
  trainer.with_average_weights([&](UNet& net) {
    const Predictor predictor = [&](const torch::Tensor& x, const torch::Tensor& t,
                                    const Condition& condition) {
      return net->forward(x, t, condition);
    };
    explain_out_of_memory(device_, rows, [&] {
      Generator generator(plan_, predictor, options);
      for (std::int64_t first = 0; first < count && finished; first += rows) {
        // The last batch draws more images than are taken, so that all have the same size.
        const torch::Tensor images =
            generator.make(static_cast<std::uint64_t>(first), condition_of(first, rows), {},
                           [&](const StepReport&) { return !stop(); });
        finished = images.defined();
        if (finished) take(images.narrow(0, 0, std::min(rows, count - first)));
      }
    });
  });
  return finished;
}

}  // namespace ddpm
