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
  // With a draw, dropout is applied; row i of the batch is its sample key.sample + i.
  std::optional<ops::Draw> dropout = {};
};

}  // namespace ddpm
