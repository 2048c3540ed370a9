#include "ddpm/training/outliers.h"

#include <torch/types.h>

#include <limits>

namespace ddpm {

OutlierLosses::OutlierLosses(double sigmas, torch::Device device)
    : sigmas_(sigmas),
      state_(torch::zeros({3}, torch::TensorOptions().dtype(torch::kFloat64).device(device))),
      count_(state_[0]),
      mean_(state_[1]),
      variance_(state_[2]) {}

torch::Tensor OutlierLosses::observe(const torch::Tensor& loss) {
  torch::NoGradGuard no_grad;
  const torch::Tensor value = loss.to(torch::kFloat64);
  const torch::Tensor finite = value.isfinite();
  const torch::Tensor warm = count_ >= kWindow;
  const torch::Tensor limit =
      (sigmas_ * variance_.sqrt()).masked_fill(~warm, std::numeric_limits<double>::infinity());
  const torch::Tensor distance = (value - mean_).masked_fill(~finite, 0);
  torch::Tensor stands_out = distance > limit;

  // West (1979): adds a value of this weight to mean and variance. The first value sets the mean.
  count_.add_(finite);
  const torch::Tensor weight = count_.clamp(1, kWindow).reciprocal() * finite;
  const torch::Tensor counted = torch::minimum(distance, limit);
  mean_.add_(weight * counted);
  variance_.copy_((1 - weight) * (variance_ + weight * counted.square()));
  return stands_out;
}

LossStatistics OutlierLosses::statistics() const {
  const torch::Tensor host = state_.cpu();
  const double* values = host.const_data_ptr<double>();
  return {.count = values[0], .mean = values[1], .variance = values[2]};
}

void OutlierLosses::set_statistics(const LossStatistics& statistics) {
  state_.copy_(
      torch::tensor({statistics.count, statistics.mean, statistics.variance}, torch::kFloat64));
}

}  // namespace ddpm
