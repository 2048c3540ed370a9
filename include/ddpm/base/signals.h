// Signals set flags. A command that looks at the flags stops after SIGINT, SIGTERM or SIGHUP, and
// saves after SIGUSR1, at a place where nothing is lost. Other commands end at once.
#pragma once

#include "ddpm/base/error.h"

namespace ddpm {

// Called at the start of the program. From then on SIGUSR1 sets its flag, and a write to a closed
// pipe or beyond a limit fails instead of ending the program.
void install_signal_handlers();

// Called by a command that looks at stop_requested(): from then on SIGINT, SIGTERM and SIGHUP only
// set that flag. A second SIGINT ends the program at once, by the signal's default action; the
// others may come again. SIGHUP stays ignored if it was ignored before (nohup).
void handle_stop_requests();

// Whether SIGUSR1 has come since the last call.
bool take_save_request() noexcept;

// Sets that flag, as SIGUSR1 does.
void request_save() noexcept;

// Whether the program was asked to stop.
bool stop_requested() noexcept;

// Asks it to stop, unless it was asked before, as the signal with this exit code does; another process
// of the same job got that signal.
void request_stop(ExitCode code) noexcept;

// The exit code of the last request to stop: kInterrupted, kTerminated or kHungUp. kSuccess if
// there was none.
ExitCode stop_exit_code() noexcept;

}  // namespace ddpm
