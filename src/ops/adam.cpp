#include "ddpm/ops/adam.h"

#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>

namespace ddpm::ops {

void adam_step(torch::Tensor& w, const torch::Tensor& gradient, torch::Tensor& m, torch::Tensor& v,
               std::int64_t step, const torch::Tensor& divisor, const AdamOptions& options) {
  const torch::Tensor count = torch::full({}, static_cast<float>(step), w.options());
  // The fused operators divide the gradient by `grad_scale`; both take the same arguments.
  const auto update = [&](auto&& fused) {
    fused(w, gradient, m, v, torch::TensorList{}, count, options.learning_rate, options.beta1,
          options.beta2, options.weight_decay, options.epsilon, /*amsgrad=*/false,
          /*maximize=*/false, divisor, std::nullopt);
  };
  if (options.decoupled)
    update([](auto&&... arguments) { at::_fused_adamw_(arguments...); });
  else
    update([](auto&&... arguments) { at::_fused_adam_(arguments...); });
}

}  // namespace ddpm::ops
