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

DeviceMemory memory_of(int device) {
  int current = 0;
  std::size_t free = 0, total = 0;
  if (cudaGetDevice(&current) != cudaSuccess || cudaSetDevice(device) != cudaSuccess) return {};
  const bool known = cudaMemGetInfo(&free, &total) == cudaSuccess;
  cudaSetDevice(current);
  int shared = 0;
  if (!known || cudaDeviceGetAttribute(&shared, cudaDevAttrIntegrated, device) != cudaSuccess)
    return {};
  return {static_cast<double>(free), static_cast<double>(total), shared != 0};
}

int compute_capability(int device) {
  int major = 0, minor = 0;
  if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) != cudaSuccess ||
      cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device) != cudaSuccess)
    return 0;
  return 10 * major + minor;
}

std::string unique_id(int device) {
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, device) != cudaSuccess) return {};
  std::string text = "GPU-";
  for (const char byte : properties.uuid.bytes) {
    constexpr const char* kDigits = "0123456789abcdef";
    const auto value = static_cast<unsigned char>(byte);
    text += kDigits[value / 16];
    text += kDigits[value % 16];
  }
  return text;
}

}  // namespace ddpm::kernels
