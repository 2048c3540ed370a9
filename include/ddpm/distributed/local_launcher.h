// Starts several processes of this program on one machine.
#pragma once

#include <cstdint>
#include <string>

#include "ddpm/base/error.h"
#include "ddpm/distributed/launch.h"

namespace ddpm {

// Starts this program again `count` times with its own arguments, with the variables that torchrun sets, and waits for
// all. `name` is the option that asked for it, for find_launch and messages. Signals to stop and to save are passed on
// to each process. If one is killed, the others end too, at the latest after 30 s. Returns the exit code of the first
// that did not return kSuccess; kFailure if it was killed. To be called before the program starts threads.
ExitCode launch_processes(std::int64_t count, const std::string& name);

// Lets the system send SIGTERM to this process when the launcher that started it has ended in whatever way, if the
// launcher is one that should not be survived: launch_processes or torchrun.
void end_with_launcher(const Launch& launch);

}  // namespace ddpm
