// Guidance is a function from Predictor to Predictor, and dropping labels, which prepares a network
// for it, is a function on Condition.
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "ddpm/diffusion/denoise_model.h"

namespace ddpm {

// What a prediction p is led away from: a second prediction q.
struct Guidance {
  // q is the same network's prediction for this condition: the null class, a negative class or
  // text. Its tensors have one row, which serves all images; what is undefined is the image's own.
  Condition negative = {};
  // If it is not empty, q is the prediction of this weaker network for the image's own condition,
  // and `negative` is not used: Karras et al., "Guiding a Diffusion Model with a Bad Version of
  // Itself".
  Predictor guide = {};
  // The share of the result that is scaled to the standard deviation of p: Lin et al., "Common
  // Diffusion Noise Schedules and Sample Steps are Flawed", equation 16.
  double rescale = 0;
};

// Returns a predictor of g = q + scale (p - q) and, with rescale, of rescale * std(p) / std(g) * g
// + (1 - rescale) * g, where std is the unbiased standard deviation of an image's prediction over
// all its elements. So scale 1 is p and 0 is q, as in diffusers; Ho and Salimans, "Classifier-Free
// Diffusion Guidance", write w = scale - 1. p and q are computed in one batch, unless there is a
// guide. Whether a network predicts noise, velocity or image does not matter without rescale: the
// result for one is that for the others. Channels about the variance are those of p. `scale`:
// float32 of one element on the device, read at each call.
Predictor guided(Predictor predictor, Guidance guidance, torch::Tensor scale);

// Replaces each label by `null_class` with this probability, 0 <= probability < 1. Row i is decided
// by the number of draw's position and sample key.sample + i, in a stream of its own. With
// probability 0 the condition is returned unchanged.
Condition drop_labels(Condition condition, const ops::Draw& draw, double probability,
                      std::int64_t null_class);

}  // namespace ddpm
