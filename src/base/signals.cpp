#include "ddpm/base/signals.h"

#include <atomic>
#include <csignal>

namespace ddpm {
namespace {

// Signal handlers may use lock-free atomics, and so may all threads.
std::atomic<int> received_signal = 0;
std::atomic<bool> save_wanted = false;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

void on_stop(int signal) {
  received_signal = signal;
  // A person who presses Ctrl-C twice wants to quit now; batch systems repeat SIGTERM routinely.
  if (signal == SIGINT) std::signal(SIGINT, SIG_DFL);
}

void on_save(int) { save_wanted = true; }

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

bool is_ignored(int signal) {
  struct sigaction action {};
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

void install_signal_handlers() {
  handle(SIGUSR1, on_save);
  // A closed pipe or a file-size limit must fail the write, not end a training run.
  handle(SIGPIPE, SIG_IGN);
  handle(SIGXFSZ, SIG_IGN);
}

void handle_stop_requests() {
  handle(SIGINT, on_stop);
  handle(SIGTERM, on_stop);
  // nohup ignores this signal for programs that must go on when their terminal closes.
  if (!is_ignored(SIGHUP)) handle(SIGHUP, on_stop);
}

bool take_save_request() noexcept { return save_wanted.exchange(false); }

void request_save() noexcept { save_wanted = true; }

bool stop_requested() noexcept { return received_signal != 0; }

void request_stop(ExitCode code) noexcept {
  int none = 0;
  received_signal.compare_exchange_strong(none, static_cast<int>(code) - 128);
}

ExitCode stop_exit_code() noexcept {
  if (received_signal == SIGINT) return ExitCode::kInterrupted;
  if (received_signal == SIGTERM) return ExitCode::kTerminated;
  if (received_signal == SIGHUP) return ExitCode::kHungUp;
  return ExitCode::kSuccess;
}

}  // namespace ddpm
