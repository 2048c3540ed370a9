// Types that all kernels use. Kernels take raw device pointers and a stream and do not use
// LibTorch, so they compile in seconds. Every function queues work on the stream and returns; it
// throws std::runtime_error if a launch is refused. Feature maps are [N,H,W,C] in memory (channels
// last).
#pragma once

#include <cstdint>

struct CUstream_st;

namespace ddpm::kernels {

using Stream = CUstream_st*;

// Element type of weights and activations. Sums and statistics are always float32.
enum class Type { kFloat32, kBFloat16 };

// A stream of random numbers (base/random.h) whose step and first sample lie in device memory, so
// that a recorded CUDA graph draws new numbers at each replay. Row i of a tensor is sample
// position[1] + i of step position[0].
struct RandomSource {
  std::uint64_t seed = 0;
  std::uint32_t stream = 0;
  const std::int64_t* position = nullptr;  // device: {step, first sample}, each < 2^40
};

}  // namespace ddpm::kernels
