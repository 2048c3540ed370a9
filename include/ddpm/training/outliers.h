// Losses that stand out from those of the steps before, told on the device, without waiting for it.
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "ddpm/runs/training_state.h"

namespace ddpm {

// A running mean and variance of the losses. While fewer than kWindow were seen they are those of
// all of them and nothing stands out; from then on a new loss counts for 1 / kWindow. One that
// stands out counts as if it were at the limit, so that a lasting change is soon the usual, and a
// single one is not. After "skip-step" optimisers (OLMo et al., "2 OLMo 2 Furious", 2024), with
// an exponential window in place of a list.
class OutlierLosses {
 public:
  static constexpr std::int64_t kWindow = 128;

  // Losses stand out beyond the mean by more than `sigmas` > 0 standard deviations.
  OutlierLosses(double sigmas, torch::Device device);
  OutlierLosses(const OutlierLosses&) = delete;
  OutlierLosses& operator=(const OutlierLosses&) = delete;
  OutlierLosses(OutlierLosses&&) = default;

  // Whether this loss (a scalar on the device) stands out: a boolean scalar. Takes it into account;
  // one that is not finite neither stands out nor counts. May be recorded (ops/replay.h).
  torch::Tensor observe(const torch::Tensor& loss);

  // All that it knows. Waits for the device.
  LossStatistics statistics() const;
  void set_statistics(const LossStatistics& statistics);

 private:
  double sigmas_;
  torch::Tensor state_;                    // float64 [3]
  torch::Tensor count_, mean_, variance_;  // views of it
};

}  // namespace ddpm
