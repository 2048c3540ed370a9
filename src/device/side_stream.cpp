#include "ddpm/device/side_stream.h"

#if DDPM_WITH_KERNELS
#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace ddpm {

#if DDPM_WITH_KERNELS
namespace {

// The most bytes of inputs that are kept alive until the streams are joined.
constexpr std::size_t kMostAlive = std::size_t{256} << 20;

struct Side {
  c10::cuda::CUDAStream stream;
  at::cuda::CUDAEvent fork, join;
  // The allocator knows only one stream for a tensor. If it were freed, the current stream could
  // write to its memory while the second stream still reads.
  std::vector<torch::Tensor> alive;
  std::size_t alive_bytes = 0;

  explicit Side(c10::DeviceIndex device)
      : stream(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device)) {}
};

Side& side_of(c10::DeviceIndex device) {
  static Side side(device);  // a process uses one GPU
  return side;
}

}  // namespace

void run_aside(const std::vector<torch::Tensor>& inputs, const std::function<void()>& work) {
  const torch::Device gpu = inputs.front().device();
  if (!gpu.is_cuda()) return work();
  const c10::DeviceIndex device = gpu.index();
  Side& side = side_of(device);
  if (side.alive_bytes > kMostAlive) join_side_stream(gpu);
  side.fork.record(c10::cuda::getCurrentCUDAStream(device));
  side.fork.block(side.stream);
  for (const torch::Tensor& x : inputs) {
    side.alive.push_back(x);
    side.alive_bytes += x.nbytes();
  }
  const c10::cuda::CUDAStreamGuard guard(side.stream);
  work();
}

void join_side_stream(torch::Device device) {
  if (!device.is_cuda()) return;
  Side& side = side_of(device.index());
  if (side.alive.empty()) return;
  side.join.record(side.stream);
  side.join.block(c10::cuda::getCurrentCUDAStream(device.index()));
  side.alive.clear();
  side.alive_bytes = 0;
}

#else

void run_aside(const std::vector<torch::Tensor>&, const std::function<void()>& work) { work(); }
void join_side_stream(torch::Device) {}

#endif

bool fills_gpu(const torch::Tensor& x) {
  // 16 images of 32x32x256, or 256 images of 8x8x256.
  constexpr std::int64_t kElements = std::int64_t{1} << 22;
  return x.numel() > kElements;
}

}  // namespace ddpm
