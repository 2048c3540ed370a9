#include "ddpm/kernels/device.h"

#include <cuda_runtime.h>

namespace ddpm::kernels {
namespace {

__global__ void probe() {}

}  // namespace

bool available(int device) {
  int current = 0;
  if (cudaGetDevice(&current) != cudaSuccess || cudaSetDevice(device) != cudaSuccess) return false;
  // This fails if the program has no code that this device can run.
  cudaFuncAttributes attributes{};
  const bool found = cudaFuncGetAttributes(&attributes, probe) == cudaSuccess;
  if (!found) static_cast<void>(cudaGetLastError());  // else the next launch reports it
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
