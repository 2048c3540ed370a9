#include "preview.h"

#include <algorithm>
#include <string>

#include "ddpm/base/file.h"
#include "ddpm/data/batch.h"
#include "ddpm/image/codec.h"
#include "ddpm/image/grid.h"

namespace ddpm {
namespace {

// Settings of a preview: training.sample_steps steps, and the variance chosen for that number.
SamplingConfig quick(const Config& config) {
  SamplingConfig sampling = config.sampling;
  sampling.steps = std::min(config.training.sample_steps, config.diffusion.timesteps);
  sampling.timesteps.clear();
  sampling.variance = SamplingVariance::kAuto;
  sampling.guidance = 1;  // a preview shows the network itself
  return sampling;
}

}  // namespace

Preview::Preview(const Config& config, const Runtime& runtime)
    : config_(config), drawer_(config, quick(config), runtime.device) {}

bool Preview::write(Trainer& trainer, const fs::path& file,
                    const std::function<bool()>& stop) const {
  const std::int64_t count = config_.training.sample_count;
  torch::Tensor images;
  if (!drawer_.draw(trainer, count, count, stop,
                    [&](const torch::Tensor& all) { images = all.clone(); }))
    return false;
  make_directories(file.parent_path());
  write_png(
      file, make_grid(tensor_to_images(images, config_.data.range)),
      {{"step", std::to_string(trainer.steps_done())}, {"seed", std::to_string(config_.run.seed)}});
  return true;
}

}  // namespace ddpm
