#include "step_budget.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "ddpm/base/error.h"
#include "ddpm/base/log.h"
#include "ddpm/base/signals.h"
#include "ddpm/base/stopwatch.h"
#include "ddpm/training/trainer.h"

namespace ddpm {
namespace {

constexpr std::int64_t kFirstSteps = 4;  // include set-up, the choice of kernels and recording
constexpr std::int64_t kParts = 3;       // of the measurement, of which the median counts
constexpr double kShareOfMeasuring = 0.02;

// The time of so many steps, each, in seconds.
double seconds_of_step(Trainer& trainer, std::int64_t steps) {
  const Stopwatch watch;
  for (std::int64_t i = 0; i < steps; ++i) {
    trainer.step();
    if (stop_requested()) throw Error(stop_exit_code(), "stopped before the first step");
  }
  static_cast<void>(trainer.totals());  // waits for the device
  return watch.seconds() / static_cast<double>(steps);
}

// The number of rank 0, on each.
std::int64_t agreed(ProcessGroup* group, const std::string& name, std::int64_t number) {
  return group == nullptr ? number : std::stoll(group->share(name, std::to_string(number)));
}

}  // namespace

std::int64_t steps_within(double seconds, const Config& config, const Prepared& prepared,
                          Communicator& communicator, ProcessGroup* group) {
  const Stopwatch measuring;
  Trainer trainer(config, prepared.images, prepared.runtime, communicator);
  static_cast<void>(seconds_of_step(trainer, kFirstSteps));
  const double about = seconds_of_step(trainer, 1);
  const double part = kShareOfMeasuring * seconds / static_cast<double>(kParts);
  const std::int64_t steps = agreed(group, "steps of a measurement",
                                    std::clamp<std::int64_t>(std::llround(part / about), 1, 1000));
  std::vector<double> times;
  for (std::int64_t i = 0; i < kParts; ++i) times.push_back(seconds_of_step(trainer, steps));
  std::ranges::sort(times);
  const double left = seconds - measuring.seconds();
  const auto fitting = static_cast<std::int64_t>(left / times[kParts / 2]);
  return agreed(group, "steps within the budget", std::max<std::int64_t>(fitting, 1));
}

}  // namespace ddpm
