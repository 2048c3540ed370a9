// Measures how fast this machine trains and samples a network, and the limits of its hardware.
#pragma once

#include <cstdint>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/device/profile.h"
#include "ddpm/device/runtime.h"

namespace ddpm {

// The measured limits of the hardware, with which other speeds are compared.
struct Ceilings {
  double matmul_tflops = 0;  // a large matrix product in the type the network computes with
  double copy_gbps = 0;      // a large copy within the device, bytes read plus bytes written
};
Ceilings measure_ceilings(const Runtime& runtime);

struct TrainingSpeed {
  double images_per_second = 0;       // median over windows
  double step_milliseconds = 0;       // the same, for one optimiser step
  double seconds_to_steady_step = 0;  // from the start of construction of the trainer to the end of
                                      // the first step at full speed
  double peak_memory_bytes = 0;
  std::vector<KernelTime> kernels;  // of one step, if BenchOptions::kernels
};

struct SamplingSpeed {
  double evaluations_per_second = 0;  // images times steps, median over windows
  double step_milliseconds = 0;
  double peak_memory_bytes = 0;
  std::vector<KernelTime> kernels;  // of one step, if BenchOptions::kernels
};

struct BenchOptions {
  double seconds = 5;    // duration of the measurement after warm-up
  bool kernels = false;  // profile one step
};

// Returns `config` with the shape of its images in data.height, width and channels. The shape comes
// from the settings or the source (known_shape in data/fit.h); what neither gives is 32x32 with 3
// channels.
Config with_image_shape(Config config);

// Measures training steps on random images, whose shape is in `config` (with_image_shape). Throws
// what training throws.
TrainingSpeed bench_training(const Config& config, const Runtime& runtime,
                             const BenchOptions& options);

// Measures sampler steps of a new network with batch size sampling.batch_size; `config` has the
// shape of the images. Throws ConfigError if the sampler has only one step, since the first is not
// timed.
SamplingSpeed bench_sampling(const Config& config, const Runtime& runtime,
                             const BenchOptions& options);

}  // namespace ddpm
