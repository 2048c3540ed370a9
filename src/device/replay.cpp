#include "ddpm/device/replay.h"

#include "ddpm/device/kernels.h"

#if DDPM_WITH_KERNELS
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace ddpm {

#if DDPM_WITH_KERNELS
struct Replay::Graph {
  at::cuda::CUDAGraph graph;

  void record(const std::function<void()>& work) {
    // The graph has its own memory pool, so the free blocks of ordinary calls are given back.
    c10::cuda::getCurrentCUDAStream().synchronize();
    c10::cuda::CUDACachingAllocator::emptyCache();
    // In this mode other threads of the process may go on using the device.
    graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    work();
    graph.capture_end();
  }
};
#else
struct Replay::Graph {
  void record(const std::function<void()>&) {}
};
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
  if (calls_ == kOrdinaryCalls) graph_->record(work);  // recording does not run the work
  ++calls_;
  graph_->graph.replay();
#endif
}

}  // namespace ddpm
