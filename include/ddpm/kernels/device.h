#pragma once

namespace ddpm::kernels {

// Whether this program has kernels at all, and machine code for the given CUDA device among them.
bool available(int device);

// Bytes of the device's memory that nobody uses.
double free_memory_bytes(int device);

}  // namespace ddpm::kernels
