// Draws the timesteps that training learns from.
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "ddpm/config/config.h"
#include "ddpm/ops/random.h"

namespace ddpm {

class TimestepSampler {
 public:
  // Throws ConfigError as log_normal_timesteps (diffusion/objective.h) does.
  TimestepSampler(const Config& config, torch::Device device);

  // Returns t of each row, int64 [rows], from the stream kTimestep of `draw`: the same on every device. The
  // work may be recorded (device/replay.h).
  torch::Tensor draw(const ops::Draw& draw, std::int64_t rows) const;

 private:
  torch::Device device_;
  std::int64_t timesteps_;
  torch::Tensor quantiles_;  // int64; a uniform index gives a timestep; undefined: all alike
};

}  // namespace ddpm
