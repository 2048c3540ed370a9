#include "ddpm/ops/profile.h"

#include <torch/csrc/autograd/profiler_kineto.h>

#include <algorithm>
#include <map>

#include "ddpm/ops/runtime.h"

namespace ddpm::ops {

std::vector<KernelTime> profile_kernels(torch::Device device, const std::function<void()>& work) {
  namespace profiler = torch::autograd::profiler;
  if (!device.is_cuda()) return {};
  const torch::profiler::impl::ProfilerConfig config(torch::profiler::impl::ProfilerState::KINETO);
  const std::set<torch::profiler::impl::ActivityType> activities = {
      torch::profiler::impl::ActivityType::CPU, torch::profiler::impl::ActivityType::CUDA};
  profiler::prepareProfiler(config, activities);
  profiler::enableProfiler(config, activities);
  work();
  synchronize(device);
  const auto result = profiler::disableProfiler();

  std::map<std::string, KernelTime> by_name;
  for (const profiler::KinetoEvent& event : result->events()) {
    if (event.deviceType() != c10::DeviceType::CUDA) continue;
    KernelTime& time = by_name[event.name()];
    time.name = event.name();
    ++time.calls;
    time.milliseconds += static_cast<double>(event.durationNs()) * 1e-6;
  }
  std::vector<KernelTime> times;
  for (auto& [name, time] : by_name) times.push_back(std::move(time));
  std::ranges::sort(times, std::greater{}, &KernelTime::milliseconds);
  return times;
}

}  // namespace ddpm::ops
