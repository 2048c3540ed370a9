// Numbers that recorded work leaves for the host.
#pragma once

#include <torch/types.h>

#include <memory>
#include <span>
#include <vector>

namespace ddpm {

// Brings the few numbers that each replay computes to the host, which must not wait for the device: it gets those of
// a step some steps earlier, always the same number of them on a device. The counterpart of StepInputs.
class StepOutputs {
 public:
  StepOutputs(torch::Device device, std::int64_t numbers);
  ~StepOutputs();
  StepOutputs(const StepOutputs&) = delete;
  StepOutputs& operator=(const StepOutputs&) = delete;

  // Queues a copy of `values`, float64 [numbers], and returns those of the fourth call before, zeros in the first
  // calls; on the CPU, where nothing is queued, those of this call. Valid until the next call.
  std::span<const double> next(const torch::Tensor& values);

 private:
  struct Slots;  // pinned memory, and events that show when it has been written
  std::vector<double> numbers_;
  std::unique_ptr<Slots> slots_;
};

}  // namespace ddpm
