#include "ddpm/device/step_inputs.h"

#include <algorithm>
#include <array>

#if DDPM_WITH_KERNELS
#include <ATen/cuda/CUDAEvent.h>
#endif

namespace ddpm {

#if DDPM_WITH_KERNELS
struct StepInputs::Slots {
  static constexpr std::size_t kCount = 4;  // how many steps the host may be ahead
  std::array<torch::Tensor, kCount> host;
  std::array<at::cuda::CUDAEvent, kCount> read;
  std::size_t next = 0;
};
#else
struct StepInputs::Slots {};
#endif

StepInputs::StepInputs(torch::Device device, std::int64_t integers, std::int64_t floats) {
  // All numbers are in one buffer, so that one copy is enough.
  const std::int64_t words = integers + (floats + 1) / 2;
  buffer_ = torch::zeros({words}, torch::TensorOptions().dtype(torch::kInt64).device(device));
  integers_ = buffer_.narrow(0, 0, integers);
  floats_ =
      buffer_.narrow(0, integers, words - integers).view(torch::kFloat32).narrow(0, 0, floats);
#if DDPM_WITH_KERNELS
  if (!device.is_cuda()) return;
  slots_ = std::make_unique<Slots>();
  for (torch::Tensor& slot : slots_->host)
    slot = torch::zeros({words}, torch::TensorOptions().dtype(torch::kInt64).pinned_memory(true));
#endif
}

StepInputs::~StepInputs() = default;

void StepInputs::set(std::span<const std::int64_t> integers, std::span<const double> floats) {
  torch::Tensor host = buffer_;
#if DDPM_WITH_KERNELS
  if (slots_) {
    slots_->read[slots_->next].synchronize();
    host = slots_->host[slots_->next];
  }
#endif
  const torch::Tensor words = host.device().is_cpu() ? host : host.cpu();
  std::ranges::copy(integers, words.data_ptr<std::int64_t>());
  float* out = reinterpret_cast<float*>(words.data_ptr<std::int64_t>() + integers_.numel());
  std::ranges::transform(floats, out, [](double value) { return static_cast<float>(value); });
  if (words.is_same(buffer_)) return;
  buffer_.copy_(words, /*non_blocking=*/true);
#if DDPM_WITH_KERNELS
  if (slots_) {
    slots_->read[slots_->next].record();
    slots_->next = (slots_->next + 1) % Slots::kCount;
  }
#endif
}

}  // namespace ddpm
