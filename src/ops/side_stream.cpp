#include "side_stream.h"

#if DDPM_WITH_KERNELS
#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace ddpm::ops {

#if DDPM_WITH_KERNELS
namespace {

// Elements of one tensor above which its convolution fills the GPU: 32x32x256 for 16 images,
// 8x8x256 for 256.
constexpr std::int64_t kLarge = std::int64_t{1} << 22;

struct Side {
  c10::cuda::CUDAStream stream;
  at::cuda::CUDAEvent fork, join;
  // The allocator knows only one stream of a tensor: freed, its memory could be written by the
  // current stream while this one still reads.
  std::vector<torch::Tensor> alive;

  explicit Side(c10::DeviceIndex device)
      : stream(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device)) {}
};

Side& side_of(c10::DeviceIndex device) {
  static Side side(device);  // a process uses one GPU
  return side;
}

bool is_large(const std::vector<torch::Tensor>& tensors) {
  for (const torch::Tensor& x : tensors)
    if (x.numel() > kLarge) return true;
  return false;
}

}  // namespace

void run_aside(const std::vector<torch::Tensor>& inputs, const std::function<void()>& work) {
  if (is_large(inputs)) return work();
  const c10::DeviceIndex device = inputs.front().device().index();
  Side& side = side_of(device);
  side.fork.record(c10::cuda::getCurrentCUDAStream(device));
  side.fork.block(side.stream);
  side.alive.insert(side.alive.end(), inputs.begin(), inputs.end());
  const c10::cuda::CUDAStreamGuard guard(side.stream);
  work();
}

void join_side_stream(torch::Device device) {
  Side& side = side_of(device.index());
  if (side.alive.empty()) return;
  side.join.record(side.stream);
  side.join.block(c10::cuda::getCurrentCUDAStream(device.index()));
  side.alive.clear();
}

#else

void run_aside(const std::vector<torch::Tensor>&, const std::function<void()>& work) { work(); }
void join_side_stream(torch::Device) {}

#endif

}  // namespace ddpm::ops
