#include "ddpm/architecture/memory_need.h"

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"

namespace ddpm {
namespace {

// A job is refused only if this share of its estimate is more than what is free, because a job that
// would have worked must not be refused. Estimates were within an eighth of measured values for
// trainings and within a quarter for sampling (docs/performance.md); on a GPU in float32 they are
// too low. In between the job may still run out of memory, which is explained when it happens.
constexpr double kSureShare = 0.8;

void require(const std::string& job, double needed, const std::string& memory_name,
             const UsableMemory& memory, const std::string& ways_out) {
  if (kSureShare * needed <= memory.free) return;
  throw DeviceError(format_text(
      "{} needs about {} of {}, but only {} are free of the {} {}. {}, or try it all the same with "
      "--force",
      job, format_bytes(needed), memory_name, format_bytes(memory.free), format_bytes(memory.total),
      memory.whose, ways_out));
}

}  // namespace

MemoryNeed training_need(const Cost& cost, const Config& config, bool on_gpu) {
  const TrainingConfig& training = config.training;
  const std::int64_t batch = training.batch_size / training.micro_batches;
  const bool bf16 = config.run.precision == Precision::kBf16;
  if (on_gpu) {
    // On the host is the copy of weights, moments and average that a save makes.
    const double copy = 16.0 * static_cast<double>(cost.parameters);
    return {.host = copy, .gpu = training_memory_on_gpu_bytes(cost, batch, bf16)};
  }
  // Feature maps in bf16 take as much as those of half as many images in float32.
  const std::int64_t images = bf16 ? (batch + 1) / 2 : batch;
  return {.host = training_memory_on_cpu_bytes(cost, images) - kProgramBytes};
}

MemoryNeed sampling_need(const Cost& cost, const Config& config, std::int64_t batch,
                         double kept_bytes, bool on_gpu) {
  const bool bf16 = config.run.precision == Precision::kBf16;
  if (!on_gpu)
    return {.host = sampling_memory_bytes(cost, batch, bf16) - kProgramBytes + kept_bytes};
  // The kernels keep fewer maps than LibTorch's operators do, which were counted. How many fewer has
  // not been measured, so only three quarters count.
  const double maps = 0.75 * cost.inference_elements * static_cast<double>(batch);
  const double element_bytes = bf16 ? 2 : 4;
  return {.host = kept_bytes, .gpu = element_bytes * (static_cast<double>(cost.parameters) + maps)};
}

void require_memory(const std::string& job, const MemoryNeed& need, const UsableMemory& host,
                    const UsableMemory& gpu, const std::string& ways_out) {
  require(job, need.gpu, "GPU memory", gpu, ways_out);
  require(job, need.host, "memory", host, ways_out);
}

}  // namespace ddpm
