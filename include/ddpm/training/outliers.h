// Finds losses far above those of recent steps, on the device, without waiting for it.
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "ddpm/runs/training_state.h"

namespace ddpm {

// Keeps a running mean and variance of the losses. The first kWindow losses have equal weight and
// none is an outlier; after them a new loss has weight 1 / kWindow. An outlier counts as if it were
// at the limit: a lasting change soon becomes normal, but a single outlier changes little. The idea
// is that of "skip-step" optimisers (OLMo et al., "2 OLMo 2 Furious", 2024), with an exponential
// window instead of a list.
class OutlierLosses {
 public:
  static constexpr std::int64_t kWindow = 128;

  // A loss is an outlier if it is more than `sigmas` > 0 standard deviations above the mean.
  OutlierLosses(double sigmas, torch::Device device);
  OutlierLosses(const OutlierLosses&) = delete;
  OutlierLosses& operator=(const OutlierLosses&) = delete;
  OutlierLosses(OutlierLosses&&) = default;

  // Returns whether this loss (a scalar on the device) is an outlier, as a boolean scalar, and adds
  // it to the statistics. A loss that is not finite is no outlier and is not added. The work may be
  // recorded (device/replay.h).
  torch::Tensor observe(const torch::Tensor& loss);

  // Everything that has to be saved. statistics() waits for the device.
  LossStatistics statistics() const;
  void set_statistics(const LossStatistics& statistics);

 private:
  double sigmas_;
  torch::Tensor state_;                    // float64 [3]
  torch::Tensor count_, mean_, variance_;  // views of state_
};

}  // namespace ddpm
