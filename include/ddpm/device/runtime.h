// Settings of LibTorch for the whole process: device, threads, precision, determinism.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ddpm/base/machine.h"
#include "ddpm/config/config.h"
#include "ddpm/device/core_sharing.h"

namespace ddpm {

struct RuntimeOptions {
  std::string device = "auto";  // auto | cpu | cuda | cuda:N
  Precision precision = Precision::kAuto;
  // CPU threads; 0: LibTorch's default, the physical cores, or fewer in a container that may use
  // fewer (base/machine.h)
  std::int64_t threads = 0;
  bool deterministic = false;  // only kernels that repeat bit for bit on a GPU; slower
};

// Those that a config has.
RuntimeOptions runtime_options(const RunConfig& run);

// The settings in effect.
struct Runtime {
  torch::Device device = torch::kCPU;
  // The type in which the network computes; the optimiser's weights stay float32.
  torch::Dtype compute_dtype = torch::kFloat32;
  Precision precision = Precision::kFp32;  // never kAuto
  std::string precision_reason;            // why it was chosen; empty if it was asked for
  std::string description;  // "cuda:0 (NVIDIA H100, bf16)", "cpu (2 threads), no GPU is visible"
  std::shared_ptr<const CoreSharing> core_sharing;  // at work as long as a copy of this exists
};

// Applies the options to the process. The device `auto` is the first GPU that works, else the CPU;
// `description` says which and why. What the precision kAuto is, config/precision.h decides. Throws
// DeviceError if the GPU asked for cannot be used, ConfigError for an unknown device.
Runtime set_up_runtime(const RuntimeOptions& options);

// Logs which precision was chosen and why, if it was not asked for.
void log_precision(const Runtime& runtime);

// Waits until the device has finished all queued work, so that times are measured correctly.
void synchronize(torch::Device device);

// The highest memory use so far: that of the process on the CPU, that of LibTorch's allocator on a
// GPU.
double peak_memory_bytes(torch::Device device);

// The memory of a GPU that is free for this process. Infinite where it is not known: on the CPU,
// whose memory base/machine.h describes, on GPUs that share the host's memory, and in programs
// without kernels.
UsableMemory gpu_memory(torch::Device device);

// Runs `work` and turns LibTorch's out-of-memory errors into DeviceError, with batch size, peak and
// advice.
void explain_out_of_memory(torch::Device device, std::int64_t batch_size,
                           const std::function<void()>& work);

}  // namespace ddpm
