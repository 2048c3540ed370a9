#pragma once

namespace ddpm::kernels {

// Whether this program has kernels, and machine code of them for the given CUDA device.
bool available(int device);

// The free memory of the device in bytes; 0 if it cannot be determined.
double free_memory_bytes(int device);

}  // namespace ddpm::kernels
