// Process-wide settings of LibTorch: device, threads, precision, determinism.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <string>

#include "ddpm/config/choices.h"

namespace ddpm {

struct RuntimeOptions {
  std::string device = "auto";  // auto | cpu | cuda | cuda:N
  Precision precision = Precision::kFp32;
  std::int64_t threads = 0;    // CPU threads; 0: LibTorch's default, the physical cores
  bool deterministic = false;  // bitwise repeatable kernels on a GPU, at some cost
};

// What was decided.
struct Runtime {
  torch::Device device = torch::kCPU;
  torch::Dtype compute_dtype = torch::kFloat32;  // of weights and activations; masters stay float32
  std::string description;  // "cuda:0 (NVIDIA H100, bf16)", "cpu (2 threads), no GPU is visible"
};

// Applies the options to the process. `auto` takes the first GPU that works, else the CPU, and says
// which and why. Throws DeviceError if a GPU is asked for and cannot be used, ConfigError for an
// unknown device.
Runtime set_up_runtime(const RuntimeOptions& options);

// Waits for the device to finish what was queued, for honest timing.
void synchronize(torch::Device device);

// Highest memory use so far: of the process on the CPU, of LibTorch's allocator on a GPU.
double peak_memory_bytes(torch::Device device);

// Runs `work` and retells LibTorch's out-of-memory errors as DeviceError, with batch size, peak and
// ways out.
void explain_out_of_memory(torch::Device device, std::int64_t batch_size,
                           const std::function<void()>& work);

}  // namespace ddpm
