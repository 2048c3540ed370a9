#include "ddpm/ops/replay.h"

#include <algorithm>
#include <array>

#include "kernels.h"

#if DDPM_WITH_KERNELS
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace ddpm::ops {

#if DDPM_WITH_KERNELS

struct Replay::Graph {
  at::cuda::CUDAGraph graph;

  void record(const std::function<void()>& work) {
    // Blocks that ordinary calls left behind would stay unused beside the graph's own pool.
    c10::cuda::getCurrentCUDAStream().synchronize();
    c10::cuda::CUDACachingAllocator::emptyCache();
    // Other threads of this process may go on using the device.
    graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    work();
    graph.capture_end();
  }
};

struct StepInputs::Slots {
  static constexpr std::size_t kCount = 4;  // steps that the host may be ahead
  std::array<torch::Tensor, kCount> host;
  std::array<at::cuda::CUDAEvent, kCount> read;
  std::size_t next = 0;
};

#else

struct Replay::Graph {
  void record(const std::function<void()>&) {}
};
struct StepInputs::Slots {};

#endif

Replay::Replay(torch::Device device)
    : graph_(use_kernels(device) ? std::make_unique<Graph>() : nullptr) {}

Replay::~Replay() = default;
Replay::Replay(Replay&&) noexcept = default;

void Replay::operator()(const std::function<void()>& work) {
  constexpr int kOrdinaryCalls = 2;
  if (graph_ == nullptr || calls_ < kOrdinaryCalls) {
    ++calls_;
    work();
    return;
  }
#if DDPM_WITH_KERNELS
  if (calls_ == kOrdinaryCalls) graph_->record(work);  // records without doing it
  ++calls_;
  graph_->graph.replay();
#endif
}

StepInputs::StepInputs(torch::Device device, std::int64_t integers, std::int64_t floats) {
  // One buffer, so that one copy does.
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

}  // namespace ddpm::ops
