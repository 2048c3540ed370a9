#include "ddpm/training/snapshot.h"

#include <ATen/Parallel.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>

#include <atomic>
#include <bit>
#include <cstdint>

#include "ddpm/base/log.h"
#include "ddpm/device/runtime.h"
#include "ddpm/io/model_file.h"
#include "ddpm/io/weights.h"

namespace ddpm {
namespace {

// For a GPU the memory is page-locked, so that copies to it run at full speed.
torch::Tensor allocate(const torch::Tensor& like, bool for_gpu) {
  const auto options = torch::TensorOptions().dtype(like.scalar_type());
  if (for_gpu) {
    try {
      return at::empty(like.sizes(), options.pinned_memory(true));
    } catch (const c10::Error& error) {  // the system limits page-locked memory
      log_warning("no page-locked memory, so checkpoints are copied more slowly: {}",
                  error.what_without_backtrace());
    }
  }
  return at::empty(like.sizes(), options);
}

// Whether no other tensor refers to this one or its memory.
bool is_unused(const torch::Tensor& tensor) {
  if (tensor.use_count() > 1 || tensor.storage().use_count() > 1) return false;
  // Reads by a thread that has just released the tensor happen before the writes that follow here.
  std::atomic_thread_fence(std::memory_order_acquire);
  return true;
}

// Copies and checks in one pass over the memory. Returns whether all values are finite.
bool copy_on_cpu(const torch::Tensor& from, const torch::Tensor& to) {
  constexpr std::int64_t kGrain = 1 << 16;         // a thread copies at least this many floats
  constexpr std::uint32_t kExponent = 0x7f800000;  // if all these bits are set: infinite or NaN
  constexpr std::uint32_t kOne = 0x00800000;       // 1 in the exponent
  const float* source = from.const_data_ptr<float>();
  float* target = to.mutable_data_ptr<float>();
  std::atomic<bool> finite = true;
  at::parallel_for(0, from.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::uint32_t carried = 0;  // its sign bit is set if an exponent had all bits set
    for (std::int64_t i = begin; i < end; ++i) {
      carried |= (std::bit_cast<std::uint32_t>(source[i]) & kExponent) + kOne;
      target[i] = source[i];
    }
    if (carried >> 31 != 0) finite = false;
  });
  return finite;
}

bool copy_all_on_cpu(const std::vector<torch::Tensor>& from, const std::vector<torch::Tensor>& to) {
  bool finite = true;
  for (std::size_t i = 0; i < from.size(); ++i) finite &= copy_on_cpu(from[i], to[i]);
  return finite;
}

// Queues everything and waits once. If any value is NaN, so are the least and greatest values.
bool copy_all_from_device(const std::vector<torch::Tensor>& from,
                          const std::vector<torch::Tensor>& to) {
  std::vector<torch::Tensor> extremes;
  for (const torch::Tensor& buffer : from) {
    const auto [least, greatest] = at::aminmax(buffer);
    extremes.insert(extremes.end(), {least, greatest});
  }
  const torch::Tensor joined = at::stack(extremes);
  const torch::Tensor on_host = allocate(joined, /*for_gpu=*/true);
  on_host.copy_(joined, /*non_blocking=*/true);
  for (std::size_t i = 0; i < from.size(); ++i) to[i].copy_(from[i], /*non_blocking=*/true);
  synchronize(joined.device());
  return on_host.isfinite().all().item<bool>();
}

}  // namespace

void write_snapshot(const TrainerSnapshot& snapshot, const std::filesystem::path& folder) {
  const SafetensorsMetadata metadata = model_metadata(snapshot.state.config);
  save_tensors(folder / "model.safetensors", snapshot.model, metadata);
  if (!snapshot.ema.empty()) save_tensors(folder / "ema.safetensors", snapshot.ema, metadata);
  save_tensors(folder / "optimizer.safetensors", snapshot.optimizer, {{"format", "pt"}});
  write_training_state(folder, snapshot.state);
}

std::optional<std::vector<torch::Tensor>> HostCopies::copy(
    const std::vector<torch::Tensor>& buffers) {
  memory_.resize(buffers.size());
  for (std::size_t i = 0; i < buffers.size(); ++i)
    if (!memory_[i].defined() || !is_unused(memory_[i]))
      memory_[i] = allocate(buffers[i], buffers[i].is_cuda());
  const bool finite = buffers.empty() || buffers.front().is_cpu()
                          ? copy_all_on_cpu(buffers, memory_)
                          : copy_all_from_device(buffers, memory_);
  if (!finite) return std::nullopt;
  return memory_;
}

}  // namespace ddpm
