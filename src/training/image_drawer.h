// Draws images with the averaged weights of a network in training. Private to this folder.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>

#include "ddpm/config/config.h"
#include "ddpm/device/runtime.h"
#include "ddpm/diffusion/sampler.h"
#include "ddpm/training/trainer.h"

namespace ddpm {

// Takes the images of a batch: [N,C,H,W] float32 in the model's range, on the device.
using TakeImages = std::function<void(const torch::Tensor& images)>;

class ImageDrawer {
 public:
  // `sampling`: config.sampling or a variation of it. There is no guidance: the images show the
  // network itself. `config` must outlive this object.
  ImageDrawer(const Config& config, const SamplingConfig& sampling, torch::Device device);

  // Draws images 0 .. count - 1 of the run's seed, in batches of at most `batch`. `stop` is asked
  // after each sampling step; if it returns true, the result is false. Throws DeviceError.
  bool draw(Trainer& trainer, std::int64_t count, std::int64_t batch,
            const std::function<bool()>& stop, const TakeImages& take) const;

 private:
  Condition condition_of(std::int64_t first, std::int64_t count) const;

  const Config& config_;
  torch::Device device_;
  SamplerPlan plan_;
  // The first contexts of the data, which images take again and again; undefined for a network without
  // transformers.
  torch::Tensor contexts_;
};

}  // namespace ddpm
