#include "ddpm/kernels/device.h"

#include <cuda_runtime.h>

namespace ddpm::kernels {
namespace {

__global__ void probe() {}

}  // namespace

bool available(int device) {
  int current = 0;
  if (cudaGetDevice(&current) != cudaSuccess || cudaSetDevice(device) != cudaSuccess) return false;
  // Fails if the program holds no code that this device runs.
  cudaFuncAttributes attributes{};
  const bool found = cudaFuncGetAttributes(&attributes, probe) == cudaSuccess;
  if (!found) static_cast<void>(cudaGetLastError());  // or the next launch would report it
  cudaSetDevice(current);
  return found;
}

double free_memory_bytes(int device) {
  int current = 0;
  std::size_t free = 0, total = 0;
  if (cudaGetDevice(&current) != cudaSuccess || cudaSetDevice(device) != cudaSuccess) return 0;
  if (cudaMemGetInfo(&free, &total) != cudaSuccess) free = 0;
  cudaSetDevice(current);
  return static_cast<double>(free);
}

}  // namespace ddpm::kernels
