#include "ddpm/device/profile.h"

#include <torch/csrc/autograd/profiler_kineto.h>

#include <algorithm>
#include <map>

#include "ddpm/device/runtime.h"

namespace ddpm {

namespace profiler = torch::autograd::profiler;

KernelProfiler::KernelProfiler(torch::Device device) : device_(device) {
  if (!device.is_cuda()) return;
  using torch::profiler::impl::ActivityType;
  const torch::profiler::impl::ProfilerConfig config(torch::profiler::impl::ProfilerState::KINETO);
  const std::set<ActivityType> activities = {ActivityType::CPU, ActivityType::CUDA};
  synchronize(device);
  profiler::prepareProfiler(config, activities);
  profiler::enableProfiler(config, activities);
}

std::vector<KernelTime> KernelProfiler::stop() {
  if (!device_.is_cuda()) return {};
  synchronize(device_);
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

}  // namespace ddpm
