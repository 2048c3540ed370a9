// Where a GPU spends its time.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ddpm::ops {

struct KernelTime {
  std::string name;
  std::int64_t calls = 0;
  double milliseconds = 0;  // all calls together
};

// Device time of every kernel and copy that `work` runs, longest first. Empty on the CPU.
std::vector<KernelTime> profile_kernels(torch::Device device, const std::function<void()>& work);

}  // namespace ddpm::ops
