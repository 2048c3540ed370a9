#pragma once

#include <string>

namespace ddpm::kernels {

// Whether this program has kernels, and machine code of them for the given CUDA device.
bool available(int device);

// Bytes of the device; 0 if they cannot be determined.
struct DeviceMemory {
  double free = 0;
  double total = 0;
  bool shared = false;  // with the host; then pages of files do not count as free, as they could
};
DeviceMemory memory_of(int device);

// The compute capability of the device, ten times its major version plus the minor one: 80 for 8.0.
// 0 if it cannot be determined.
int compute_capability(int device);

// Tells the device from all others, also of other machines and for processes that number devices differently:
// "GPU-1f2e...". Empty if it cannot be determined.
std::string unique_id(int device);

}  // namespace ddpm::kernels
