#include "ddpm/device/step_outputs.h"

#include <algorithm>
#include <array>
#include <utility>

#if DDPM_WITH_KERNELS
#include <ATen/cuda/CUDAEvent.h>
#endif

namespace ddpm {

#if DDPM_WITH_KERNELS
struct StepOutputs::Slots {
  static constexpr std::size_t kCount = 4;  // as many steps as the host may be ahead (StepInputs)
  std::array<torch::Tensor, kCount> host;
  std::array<at::cuda::CUDAEvent, kCount> written;
  std::size_t next = 0;
};
#else
struct StepOutputs::Slots {};
#endif

StepOutputs::StepOutputs([[maybe_unused]] torch::Device device, std::int64_t numbers)
    : numbers_(static_cast<std::size_t>(numbers)) {
#if DDPM_WITH_KERNELS
  if (!device.is_cuda()) return;
  slots_ = std::make_unique<Slots>();
  for (torch::Tensor& slot : slots_->host)
    slot =
        torch::zeros({numbers}, torch::TensorOptions().dtype(torch::kFloat64).pinned_memory(true));
#endif
}

StepOutputs::~StepOutputs() = default;

std::span<const double> StepOutputs::next(const torch::Tensor& values) {
  const auto take = [&](const torch::Tensor& host) {
    std::copy_n(host.const_data_ptr<double>(), numbers_.size(), numbers_.begin());
  };
#if DDPM_WITH_KERNELS
  if (slots_) {
    const std::size_t slot = std::exchange(slots_->next, (slots_->next + 1) % Slots::kCount);
    slots_->written[slot].synchronize();
    take(slots_->host[slot]);
    slots_->host[slot].copy_(values, /*non_blocking=*/true);
    slots_->written[slot].record();
    return numbers_;
  }
#endif
  take(values.cpu());
  return numbers_;
}

}  // namespace ddpm
