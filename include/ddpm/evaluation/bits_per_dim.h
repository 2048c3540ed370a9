// How probable a model finds real images: the variational bound on the negative log likelihood.
// Ho et al., equation 5; Nichol and Dhariwal, section 3.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "ddpm/base/progress.h"
#include "ddpm/data/image_store.h"
#include "ddpm/diffusion/denoise_model.h"
#include "ddpm/sampling/load_model.h"

namespace ddpm {

// Bits per dimension (pixel and channel), means over images.
struct BitsPerDim {
  // L_t of each timestep 0 .. T-1. L_0 is minus the log likelihood of the pixel values by the
  // discretised decoder, the distortion; the others are the rate.
  std::vector<double> terms;
  double prior = 0;  // L_T: what is left of the image in the noise of the last timestep

  double total() const;
};

// The process of a model and the images [N,C,H,W] in its range, all on one device.
struct LikelihoodRequest {
  Predictor predictor;
  DiffusionConfig diffusion;
  PixelRange range = PixelRange::kSymmetric;
  torch::Tensor images;
  Condition condition = {};
  // The noise of x_t, of the images' shape.
  std::function<torch::Tensor(std::int64_t t)> noise;
};

// Sums over images [N] of L_0 .. L_T-1 and of the prior, float64 [T+1] on the CPU. One noise is drawn
// for each timestep. The mean of a step uses the clipped image if diffusion.clip_x0 is set; the
// variance is that of training, and at t = 0 that of the posterior at t = 1. Throws ConfigError
// for diffusion.variance learned.
torch::Tensor bound_terms(const LikelihoodRequest& request,
                          const std::function<void(std::int64_t done)>& after_timestep = {});

// The mean of `count` images of the store in a random order that is always the same, or all if there are
// fewer, with noise of config.run.seed. Throws ConfigError for a network that is conditioned on
// more than classes, and Error(stop_exit_code()) after a signal.
BitsPerDim bits_per_dim(const LoadedModel& model, const ImageStore& store, std::int64_t count,
                        ProgressStyle progress);

}  // namespace ddpm
