#include "ddpm/device/runtime.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <sys/resource.h>
#include <torch/cuda.h>

#if DDPM_WITH_KERNELS
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#endif

#include <cstdlib>
#include <limits>
#include <new>
#include <optional>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "ddpm/base/error.h"
#include "ddpm/base/host.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/base/version.h"
#include "ddpm/config/precision.h"
#include "ddpm/kernels/device.h"

namespace ddpm {
namespace {

std::string why_no_gpu() {
  if (version_info().cuda == "no") return "this program was built without CUDA";
  return "no NVIDIA GPU is visible to this process";
}

torch::Device parse_gpu(const std::string& name) {
  if (!torch::cuda::is_available())
    throw DeviceError("run.device: '" + name + "' cannot be used: " + why_no_gpu() +
                      ". Use --device cpu or auto, or check `nvidia-smi`");
  std::int64_t index = 0;
  if (name != "cuda") {
    try {
      index = std::stoll(name.substr(5));
    } catch (const std::exception&) {
      throw ConfigError("run.device: unknown '" + name + "'; choose from auto, cpu, cuda, cuda:N");
    }
  }
  const auto count = static_cast<std::int64_t>(torch::cuda::device_count());
  if (index < 0 || index >= count)
    throw DeviceError(
        format_text("run.device: '{}' does not exist; this machine has {}, the last is cuda:{}",
                    name, counted(count, "GPU"), count - 1));
  return {torch::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

torch::Device choose_device(const std::string& name, std::string& reason) {
  if (name == "cpu") return torch::kCPU;
  if (name == "cuda" || name.starts_with("cuda:")) return parse_gpu(name);
  if (name != "auto")
    throw ConfigError("run.device: unknown '" + name + "'; choose from auto, cpu, cuda, cuda:N");
  if (torch::cuda::is_available()) return {torch::kCUDA, 0};
  reason = why_no_gpu();
  return torch::kCPU;
}

std::optional<int> capability_of(torch::Device device) {
  if (!device.is_cuda()) return std::nullopt;
  return kernels::compute_capability(device.index());
}

void apply_determinism(bool deterministic) {
  at::Context& context = at::globalContext();
  context.setDeterministicAlgorithms(deterministic, /*warn_only=*/false);
  context.setDeterministicCuDNN(deterministic);
  context.setBenchmarkCuDNN(!deterministic);
  // A good algorithm is among the first few; trying all of them takes half a minute at start.
  context.setBenchmarkLimitCuDNN(4);
  // cuBLAS reads this variable at its first use.
  if (deterministic) ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
}

// Makes the GPU the current one, with a stream of its own, because the default stream cannot be
// recorded as a graph.
void select_gpu([[maybe_unused]] torch::Device device) {
#if DDPM_WITH_KERNELS
  c10::cuda::set_device(device.index());
  c10::cuda::setCurrentCUDAStream(c10::cuda::getStreamFromPool(false, device.index()));
#endif
}

// Networks allocate blocks of the same sizes again and again. By default the C library returns
// every large block to the system at once, so that each new use costs its page faults again: a
// tenth of a training step on two cores.
void keep_freed_memory() {
#ifdef __GLIBC__
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, -1);
  ::mallopt(M_TOP_PAD, 64 << 20);
#endif
}

// LibTorch's default is the physical cores of the machine, whatever a container may use of them.
// More threads than that only wait for each other. Who set OpenMP's or MKL's number meant it.
void choose_threads(std::int64_t threads) {
  if (threads > 0) return at::set_num_threads(static_cast<int>(threads));
  if (is_set("OMP_NUM_THREADS") || is_set("MKL_NUM_THREADS")) return;
  if (const int usable = usable_cores(); usable < at::get_num_threads())
    at::set_num_threads(usable);
}

bool is_out_of_memory(const c10::Error& error) {
  const std::string_view what = error.what_without_backtrace();
  return dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
         what.find("can't allocate memory") != std::string_view::npos ||
         what.find("out of memory") != std::string_view::npos;
}

[[noreturn]] void throw_out_of_memory(torch::Device device, std::int64_t batch_size,
                                      const std::string& detail) {
  throw DeviceError(format_text(
      "out of memory on {} with {} at once (peak so far {}): {}\n"
      "Try a smaller batch (training.batch_size, sampling.batch_size or "
      "--batch-size), the same batch in more parts (training.micro_batches), half the "
      "memory per value on a GPU (--precision bf16), or a smaller model "
      "(model.base_width)",
      device.str(), counted(batch_size, "image"), format_bytes(peak_memory_bytes(device)), detail));
}

}  // namespace

RuntimeOptions runtime_options(const RunConfig& run) {
  return {.device = run.device,
          .precision = run.precision,
          .threads = run.threads,
          .deterministic = run.deterministic};
}

Runtime set_up_runtime(const RuntimeOptions& options) {
  choose_threads(options.threads);
  Runtime runtime;
  std::string reason;
  runtime.device = choose_device(options.device, reason);
  const ChosenPrecision chosen = choose_precision(options.precision, capability_of(runtime.device));
  runtime.precision = chosen.precision;
  runtime.precision_reason = chosen.reason;
  runtime.compute_dtype =
      runtime.precision == Precision::kBf16 ? torch::kBFloat16 : torch::kFloat32;
  const bool tf32 = runtime.precision == Precision::kTf32;
  at::globalContext().setAllowTF32CuDNN(tf32);
  at::globalContext().setAllowTF32CuBLAS(tf32);
  apply_determinism(options.deterministic);
  if (runtime.device.is_cuda())
    select_gpu(runtime.device);
  else
    keep_freed_memory();
  if (runtime.device.is_cpu())
    runtime.core_sharing = std::make_shared<const CoreSharing>(at::get_num_threads());
  runtime.description = runtime.device.is_cpu() ? "cpu, " + counted(at::get_num_threads(), "thread")
                                                : runtime.device.str();
  runtime.description += format_text(", {}", runtime.precision);
  if (!reason.empty()) runtime.description += " (" + reason + ")";
  return runtime;
}

void log_precision(const Runtime& runtime) {
  if (!runtime.precision_reason.empty())
    log_info("precision: {} ({})", runtime.precision, runtime.precision_reason);
}

void synchronize(torch::Device device) {
  if (device.is_cuda()) torch::cuda::synchronize(device.index());
}

double peak_memory_bytes(torch::Device device) {
  if (device.is_cuda()) {
    const auto stats = at::getDeviceAllocator(torch::kCUDA)->getDeviceStats(device.index());
    return static_cast<double>(
        stats.allocated_bytes[static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE)]
            .peak);
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

UsableMemory gpu_memory(torch::Device device) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  kernels::DeviceMemory memory;
  if (device.is_cuda()) memory = kernels::memory_of(device.index());
  if (memory.total <= 0 || memory.shared) return {.free = kInfinite, .total = kInfinite};
  return {.free = memory.free, .total = memory.total, .whose = "of " + device.str()};
}

void explain_out_of_memory(torch::Device device, std::int64_t batch_size,
                           const std::function<void()>& work) {
  try {
    work();
  } catch (const c10::Error& error) {
    if (!is_out_of_memory(error)) throw;
    throw_out_of_memory(device, batch_size, error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    throw_out_of_memory(device, batch_size, "the system refused the allocation");
  }
}

}  // namespace ddpm
