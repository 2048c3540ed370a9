// Repeated work on a GPU without the cost of queueing its kernels one by one.
#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>
#include <span>

namespace ddpm::ops {

// Runs the same work many times. On a GPU with kernels it is recorded into a CUDA graph at the
// third call and from then on replayed; elsewhere, every call runs it. Recorded work must queue the
// same kernels on the same tensors each time: what changes comes from a StepInputs, and results
// stay valid until the next call. The first two calls are ordinary: operators choose their
// algorithms.
class Replay {
 public:
  explicit Replay(torch::Device device);
  ~Replay();
  Replay(Replay&&) noexcept;
  Replay& operator=(Replay&&) = delete;

  void operator()(const std::function<void()>& work);

 private:
  struct Graph;                   // keeps CUDA out of this header
  std::unique_ptr<Graph> graph_;  // null: always run
  int calls_ = 0;
};

// The few numbers that differ from one replay to the next, written by the host and copied to fixed
// places on the device in the order of its work. The host may be a few steps ahead, never more.
class StepInputs {
 public:
  StepInputs(torch::Device device, std::int64_t integers, std::int64_t floats);
  ~StepInputs();
  StepInputs(const StepInputs&) = delete;
  StepInputs& operator=(const StepInputs&) = delete;

  void set(std::span<const std::int64_t> integers, std::span<const double> floats);

  const torch::Tensor& integers() const { return integers_; }  // int64 [integers] on the device
  const torch::Tensor& floats() const { return floats_; }      // float32 [floats] on the device

 private:
  struct Slots;  // pinned memory and the events that tell when it was read
  torch::Tensor buffer_, integers_, floats_;
  std::unique_ptr<Slots> slots_;
};

}  // namespace ddpm::ops
