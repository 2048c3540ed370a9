// Numbers that change from one replay of recorded work to the next.
#pragma once

#include <torch/types.h>

#include <memory>
#include <span>

namespace ddpm {

// Holds the few numbers that differ between replays. The host writes them, and they are copied to
// fixed places on the device in the order of its work. The host waits when it is a few steps ahead.
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
  struct Slots;  // pinned memory, and events that show when it has been read
  torch::Tensor buffer_, integers_, floats_;
  std::unique_ptr<Slots> slots_;
};

}  // namespace ddpm
