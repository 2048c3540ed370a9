// What changes from one replay of recorded work to the next.
#pragma once

#include <torch/types.h>

#include <memory>
#include <span>

namespace ddpm {

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

}  // namespace ddpm
