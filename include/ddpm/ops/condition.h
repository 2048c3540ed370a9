#pragma once

#include <torch/types.h>

#include <optional>

#include "ddpm/ops/random.h"

namespace ddpm {

// The inputs of a network beside the images and their times.
struct Condition {
  // Classes [N] int64, or vectors [N,channels of the time embedding], as model.class_embedding
  // says; undefined for an unconditional network.
  torch::Tensor labels = {};
  // Tokens [N,tokens,model.context_width] that transformers attend to, such as a text; undefined
  // for a network without transformers.
  torch::Tensor context = {};
  // Numbers [N,model.vector_width] whose embedding is added to that of the time; undefined for a
  // network without it.
  torch::Tensor vector = {};
  // Channels [N,C,H,W] that follow those of the image, such as a mask and what it leaves of a
  // picture; undefined: there are none.
  torch::Tensor image = {};
  // With a draw, dropout is applied; row i of the batch is its sample key.sample + i.
  std::optional<ops::Draw> dropout = {};
};

}  // namespace ddpm
