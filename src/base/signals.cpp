#include "ddpm/base/signals.h"

#include <csignal>

namespace ddpm {
namespace {

volatile std::sig_atomic_t received_signal = 0;

void on_signal(int signal) {
  received_signal = signal;
  // The next one of this kind takes its default action.
  std::signal(signal, SIG_DFL);
}

}  // namespace

void install_signal_handlers() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE,
              SIG_IGN);  // a closed pipe is an error of the write, not the end of a training run
}

bool stop_requested() noexcept { return received_signal != 0; }

ExitCode stop_exit_code() noexcept {
  if (received_signal == SIGINT) return ExitCode::kInterrupted;
  if (received_signal == SIGTERM) return ExitCode::kTerminated;
  return ExitCode::kSuccess;
}

}  // namespace ddpm
