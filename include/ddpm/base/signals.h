// SIGINT, SIGTERM and SIGHUP ask the program to stop, SIGUSR1 to save; loops look at the flags and
// act, so nothing is lost.
#pragma once

#include "ddpm/base/error.h"

namespace ddpm {

// Installs the handlers. A second SIGINT ends the program at once, by the signal's default action;
// the others may come again. SIGHUP stays ignored if it was (nohup).
void install_signal_handlers();

// Whether SIGUSR1 came since the last call.
bool take_save_request() noexcept;

// Whether the program was asked to stop.
bool stop_requested() noexcept;

// kInterrupted, kTerminated or kHungUp after a request, the last if there were several; else
// kSuccess.
ExitCode stop_exit_code() noexcept;

}  // namespace ddpm
