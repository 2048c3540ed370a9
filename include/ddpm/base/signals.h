// SIGINT, SIGTERM and SIGHUP ask a command that looks at the flag to stop, SIGUSR1 to save: loops
// act on them, so nothing is lost. Other commands end at once.
#pragma once

#include "ddpm/base/error.h"

namespace ddpm {

// At the start of the program: a request to save is noted, and writes to closed pipes or beyond a
// limit fail instead of ending the program.
void install_signal_handlers();

// From here on stop_requested() is looked at, and SIGINT, SIGTERM and SIGHUP only set it. A second
// SIGINT ends the program at once, by the signal's default action; the others may come again.
// SIGHUP stays ignored if it was (nohup).
void handle_stop_requests();

// Whether SIGUSR1 came since the last call.
bool take_save_request() noexcept;

// Whether the program was asked to stop.
bool stop_requested() noexcept;

// kInterrupted, kTerminated or kHungUp after a request, the last if there were several; else
// kSuccess.
ExitCode stop_exit_code() noexcept;

}  // namespace ddpm
