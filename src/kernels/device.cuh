// Code that all kernels use: launches, vectors of elements, sums over threads, shared memory.
#pragma once

#include <cuda_bf16.h>
#include <cuda_pipeline_primitives.h>
#include <cuda_runtime.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// --- Sizes and types -----------------------------------------------------------------------------

// The number of threads of a block, except in group normalization and Hopper convolutions.
inline constexpr int kThreads = 256;

// Throws if `error` (by default the last launch's) is not cudaSuccess.
inline void check_launch(const char* name, cudaError_t error = cudaGetLastError()) {
  if (error != cudaSuccess)
    throw std::runtime_error(std::string(name) + ": " + cudaGetErrorString(error));
}

inline std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// The number of blocks of kThreads threads for `threads` > 0 threads.
inline unsigned blocks_for(std::int64_t threads) {
  const std::int64_t blocks = divide_up(threads, kThreads);
  if (blocks > INT32_MAX) throw std::runtime_error("tensor too large for one kernel launch");
  return static_cast<unsigned>(blocks);
}

// Calls function(T{}) with the C++ type of `type`.
template <class Function>
void dispatch(Type type, Function&& function) {
  if (type == Type::kBFloat16)
    function(__nv_bfloat16{});
  else
    function(float{});
}

// --- Vectors -------------------------------------------------------------------------------------

// The number of elements of T in one 16-byte access.
template <typename T>
inline constexpr int kVectorWidth = 16 / static_cast<int>(sizeof(T));

// Null counts as aligned, because it is never read.
__host__ __device__ inline bool is_aligned(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0;
}

// Calls run(T{}, width) with the C++ type of `type` and the number of elements of one access as a
// compile-time constant: that of a vector, or 1 if `channels` or a pointer does not allow vectors.
template <typename Run, typename... Pointers>
void dispatch_width(Type type, std::int64_t channels, const Run& run, Pointers... pointers) {
  const bool aligned = (is_aligned(pointers) && ...);
  dispatch(type, [&](auto element) {
    constexpr int kWidth = kVectorWidth<decltype(element)>;
    if (channels % kWidth == 0 && aligned)
      run(element, std::integral_constant<int, kWidth>{});
    else
      run(element, std::integral_constant<int, 1>{});
  });
}

__device__ inline float to_float(float value) { return value; }
__device__ inline float to_float(__nv_bfloat16 value) { return __bfloat162float(value); }

template <typename T>
__device__ T from_float(float value) {
  if constexpr (std::is_same_v<T, float>)
    return value;
  else
    return __float2bfloat16_rn(value);
}

// N elements as float32, in registers.
template <int N>
struct Floats {
  float values[N];
  __device__ float& operator[](int i) { return values[i]; }
  __device__ float operator[](int i) const { return values[i]; }
};

// The type of the largest single access that divides `kBytes` bytes.
template <int kBytes>
using AccessWord = std::conditional_t<
    kBytes % 16 == 0, uint4,
    std::conditional_t<kBytes == 8, uint2,
                       std::conditional_t<kBytes == 4, unsigned, std::uint16_t>>>;

// Reads N elements. `pointer` is aligned to their total size, but to no more than 16 bytes.
template <int N, typename T>
__device__ Floats<N> load(const T* pointer) {
  using Word = AccessWord<N* static_cast<int>(sizeof(T))>;
  constexpr int kWords = N * static_cast<int>(sizeof(T)) / static_cast<int>(sizeof(Word));
  alignas(16) T raw[N];
#pragma unroll
  for (int i = 0; i < kWords; ++i)
    reinterpret_cast<Word*>(raw)[i] = reinterpret_cast<const Word*>(pointer)[i];
  Floats<N> result;
#pragma unroll
  for (int i = 0; i < N; ++i) result[i] = to_float(raw[i]);
  return result;
}

// Writes N elements, rounded to T.
template <int N, typename T>
__device__ void store(T* pointer, const Floats<N>& values) {
  using Word = AccessWord<N* static_cast<int>(sizeof(T))>;
  constexpr int kWords = N * static_cast<int>(sizeof(T)) / static_cast<int>(sizeof(Word));
  alignas(16) T raw[N];
#pragma unroll
  for (int i = 0; i < N; ++i) raw[i] = from_float<T>(values[i]);
#pragma unroll
  for (int i = 0; i < kWords; ++i)
    reinterpret_cast<Word*>(pointer)[i] = reinterpret_cast<const Word*>(raw)[i];
}

// Reads the first min(N, valid) elements and sets the others to 0. They are read one by one unless
// there are N and they are `aligned`.
template <int N, typename T>
__device__ Floats<N> load_some(const T* pointer, std::int64_t valid, bool aligned) {
  if (aligned && valid >= N) return load<N>(pointer);
  Floats<N> result;
#pragma unroll
  for (int i = 0; i < N; ++i) result[i] = i < valid ? to_float(pointer[i]) : 0.0f;
  return result;
}

template <int N, typename T>
__device__ void store_some(T* pointer, const Floats<N>& values, std::int64_t valid, bool aligned) {
  if (aligned && valid >= N) {
    store<N>(pointer, values);
    return;
  }
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (i < valid) pointer[i] = from_float<T>(values[i]);
}

// The number of this thread in the grid.
__device__ inline std::int64_t thread_index() {
  return static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
}

// Waits until the kernels before this one have finished, and lets the next kernel get ready. Every
// kernel that launch() starts calls this before it reads or writes global memory; only the setup of
// shared memory may come first.
__device__ inline void wait_for_inputs() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// --- Sums over threads ---------------------------------------------------------------------------

// The order of the operands is fixed, so repeated results are equal bit for bit.

struct Add {
  __device__ float operator()(float a, float b) const { return a + b; }
};

struct Max {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

// Reduces the values of each group of kLanes neighbouring lanes; every lane gets its group's
// result. All 32 lanes must call it.
template <int kLanes, typename Operation>
__device__ float reduce_lanes(float value, Operation operation) {
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2)
    value = operation(value, __shfl_xor_sync(0xFFFFFFFFu, value, distance));
  return value;
}

// Reduces the values of a block of kThreads threads; every thread gets the result. `shared` has
// kThreads / 32 floats.
template <typename Operation>
__device__ float reduce_block(float value, float* shared, Operation operation) {
  value = reduce_lanes<32>(value, operation);
  __syncthreads();  // other threads may still read the result of an earlier call
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
  __syncthreads();
  value = shared[0];
  for (int i = 1; i < kThreads / 32; ++i) value = operation(value, shared[i]);
  return value;
}

// --- Shared memory -------------------------------------------------------------------------------

// The block's dynamic shared memory.
__device__ inline unsigned char* dynamic_shared() {
  extern __shared__ float4 shared_memory[];
  return reinterpret_cast<unsigned char*>(shared_memory);
}

// Starts a copy of N elements to shared memory. Call __pipeline_commit() afterwards and
// __pipeline_wait_prior() before reading them. The L2 cache fetches 128 bytes around them, which
// neighbouring blocks need.
template <int N, typename T>
__device__ void copy_async(T* to_shared, const T* from_global) {
  constexpr int kWidth = kVectorWidth<T>;  // elements of the largest copy
  static_assert(N % kWidth == 0);
#pragma unroll
  for (int i = 0; i < N; i += kWidth) {
    const auto to = static_cast<unsigned>(__cvta_generic_to_shared(to_shared + i));
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" ::"r"(to),
                 "l"(from_global + i)
                 : "memory");
  }
}

// --- Clusters ------------------------------------------------------------------------------------

// Blocks of a cluster can read each other's shared memory. On GPUs before Hopper, which have no
// clusters, nothing calls these functions.

#if __CUDA_ARCH__ >= 900 || !defined(__CUDA_ARCH__)
#define DDPM_CLUSTER_ASM(...) asm volatile(__VA_ARGS__)
#else
#define DDPM_CLUSTER_ASM(...) __trap()
#endif

__device__ inline std::uint32_t shared_address(const void* pointer) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(pointer));
}

// Both together wait until all threads of all blocks of the cluster have arrived. What they wrote
// before is then visible.
__device__ inline void arrive_at_cluster() {
  DDPM_CLUSTER_ASM("barrier.cluster.arrive.release.aligned;" ::: "memory");
}
__device__ inline void wait_for_cluster() {
  DDPM_CLUSTER_ASM("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}
__device__ inline void synchronize_cluster() {
  arrive_at_cluster();
  wait_for_cluster();
}

// The address, in block `rank` of the cluster, of the same place in shared memory as `mine` in this
// block.
__device__ inline std::uint32_t address_in_block(const void* mine, unsigned rank) {
  std::uint32_t address = 0;
  DDPM_CLUSTER_ASM("mapa.shared::cluster.u32 %0, %1, %2;"
                   : "=r"(address)
                   : "r"(shared_address(mine)), "r"(rank));
  return address;
}
__device__ inline float load_from_block(std::uint32_t address) {
  float value = 0.0f;
  DDPM_CLUSTER_ASM("ld.shared::cluster.f32 %0, [%1];" : "=f"(value) : "r"(address) : "memory");
  return value;
}

#undef DDPM_CLUSTER_ASM

// --- Launches ------------------------------------------------------------------------------------

// Limits of a device, in bytes and counts, by which block sizes are chosen.
struct DeviceLimits {
  int processors = 0;
  int shared_per_processor = 0;
  int shared_per_block = 0;
  bool overlaps_launches = false;  // supports programmatic dependent launches
  bool has_clusters = false;       // blocks can share their memory, from compute capability 9.0 on
  bool is_hopper = false;          // compute capability 9.0
};

constexpr int kMaxDevices = 64;

inline int current_device() {
  int device = 0;
  check_launch("cudaGetDevice", cudaGetDevice(&device));
  if (device >= kMaxDevices) throw std::runtime_error("too many CUDA devices");
  return device;
}

// The driver is asked only once for each device, because the query is slow compared with a launch.
inline const DeviceLimits& device_limits() {
  static std::array<DeviceLimits, kMaxDevices> limits;
  static std::array<std::once_flag, kMaxDevices> once;
  const int device = current_device();
  std::call_once(once[device], [device] {
    const auto query = [device](int& value, cudaDeviceAttr attribute) {
      check_launch("cudaDeviceGetAttribute", cudaDeviceGetAttribute(&value, attribute, device));
    };
    DeviceLimits& d = limits[device];
    query(d.processors, cudaDevAttrMultiProcessorCount);
    query(d.shared_per_processor, cudaDevAttrMaxSharedMemoryPerMultiprocessor);
    query(d.shared_per_block, cudaDevAttrMaxSharedMemoryPerBlockOptin);
    int major = 0;
    query(major, cudaDevAttrComputeCapabilityMajor);
    d.overlaps_launches = major >= 9;
    d.has_clusters = major >= 9;
    d.is_hopper = major == 9;
  });
  return limits[device];
}

// Lets a kernel use all shared memory of the current device. Acts once for each kernel and device.
template <auto kKernel>
void allow_large_shared() {
  static std::array<std::once_flag, kMaxDevices> once;
  std::call_once(once[current_device()], [] {
    const auto* function = reinterpret_cast<const void*>(kKernel);
    check_launch("cudaFuncSetAttribute",
                 cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                      device_limits().shared_per_block));
    check_launch("cudaFuncSetAttribute",
                 cudaFuncSetAttribute(function, cudaFuncAttributePreferredSharedMemoryCarveout,
                                      cudaSharedmemCarveoutMaxShared));
  });
}

// The size of a launch.
struct Launch {
  dim3 blocks;
  int threads = 0;
  int shared_bytes = 0;
  Stream stream = nullptr;
  dim3 cluster = {1, 1, 1};  // adjacent blocks that can access each other's shared memory
};

// A launch of `threads` > 0 threads, each of which does one piece of work.
inline Launch one_thread_each(std::int64_t threads, Stream stream) {
  return {blocks_for(threads), kThreads, 0, stream};
}

// Launches a kernel that calls wait_for_inputs() first. If the GPU supports it, the kernel gets
// ready while the one before it still runs, which hides most of the cost of a launch.
template <auto kKernel, class... Arguments>
void launch(const char* name, const Launch& size, const Arguments&... arguments) {
  if (size.shared_bytes > 0) allow_large_shared<kKernel>();
  cudaLaunchConfig_t config = {};
  std::array<cudaLaunchAttribute, 2> attributes = {};
  config.attrs = attributes.data();
  if (device_limits().overlaps_launches) {
    cudaLaunchAttribute& overlap = attributes[config.numAttrs++];
    overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    overlap.val.programmaticStreamSerializationAllowed = 1;
  }
  if (size.cluster.x * size.cluster.y * size.cluster.z > 1) {
    cudaLaunchAttribute& cluster = attributes[config.numAttrs++];
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim = {size.cluster.x, size.cluster.y, size.cluster.z};
  }
  config.gridDim = size.blocks;
  config.blockDim = dim3(static_cast<unsigned>(size.threads));
  config.dynamicSmemBytes = static_cast<std::size_t>(size.shared_bytes);
  config.stream = size.stream;
  check_launch(name, cudaLaunchKernelEx(&config, kKernel, arguments...));
}

}  // namespace ddpm::kernels
