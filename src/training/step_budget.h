// Turns training.budget_minutes into a number of steps. Private to this folder.
#pragma once

#include <cstdint>

#include "ddpm/config/config.h"
#include "ddpm/distributed/communicator.h"
#include "ddpm/distributed/process_group.h"
#include "ddpm/training/prepare.h"

namespace ddpm {

// How many steps the run can make in `seconds` from now, at least one. It measures the speed with a trainer
// of its own, whose steps are thrown away, so a run of as many steps by training.steps is the same
// run. Previews, evaluations and saves are not counted. All processes of `group`, which may be null,
// call it together and get the number of rank 0. Throws DeviceError, and Error(stop_exit_code())
// after a signal.
std::int64_t steps_within(double seconds, const Config& config, const Prepared& prepared,
                          Communicator& communicator, ProcessGroup* group);

}  // namespace ddpm
