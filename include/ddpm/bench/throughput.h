// How fast this machine trains and samples a network, and what its limits are.
#pragma once

#include <cstdint>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/device/profile.h"
#include "ddpm/device/runtime.h"

namespace ddpm {

// What the hardware does at best, measured: the two ends of every performance argument.
struct Ceilings {
  double matmul_tflops = 0;  // a large matrix product in the type the network computes with
  double copy_gbps = 0;      // a large copy within the device, bytes read plus bytes written
};
Ceilings measure_ceilings(const Runtime& runtime);

struct TrainingSpeed {
  double images_per_second = 0;       // median over windows
  double step_milliseconds = 0;       // the same, for one optimiser step
  double seconds_to_steady_step = 0;  // from construction of the network to the end of its first
                                      // step at full speed
  double peak_memory_bytes = 0;
  std::vector<KernelTime> kernels;  // of one step, if asked for
};

struct SamplingSpeed {
  double evaluations_per_second = 0;  // images times steps, median over windows
  double step_milliseconds = 0;
  double peak_memory_bytes = 0;
  std::vector<KernelTime> kernels;  // of one step, if asked for
};

struct BenchOptions {
  double seconds = 5;    // measured, after warm-up
  bool kernels = false;  // profile one step
};

// `config` with the shape of its images in data.height, width and channels: what settings or source
// say of it (known_shape in data/fit.h), else 3x32x32.
Config with_image_shape(Config config);

// Training steps on random images; `config` has their shape. Throws what training throws.
TrainingSpeed bench_training(const Config& config, const Runtime& runtime,
                             const BenchOptions& options);

// Sampler steps of a fresh network, sampling.batch_size images at a time; the same for `config`.
// Throws ConfigError if the process has a single step, since the first one is not timed.
SamplingSpeed bench_sampling(const Config& config, const Runtime& runtime,
                             const BenchOptions& options);

}  // namespace ddpm
