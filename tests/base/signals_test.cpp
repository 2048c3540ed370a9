#include "ddpm/base/signals.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <utility>

namespace ddpm {
namespace {

// Each test runs in a process of its own, because handlers and flags belong to the process.
[[noreturn]] void leave(bool as_expected) { std::_Exit(as_expected ? 0 : 1); }

TEST(Signals, AskToStopWithTheirExitCode) {
  EXPECT_EXIT(
      {
        handle_stop_requests();
        const bool before = stop_requested() || stop_exit_code() != ExitCode::kSuccess;
        std::raise(SIGTERM);
        leave(!before && stop_requested() && stop_exit_code() == ExitCode::kTerminated);
      },
      ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(
      {
        handle_stop_requests();
        std::raise(SIGINT);
        leave(stop_requested() && stop_exit_code() == ExitCode::kInterrupted);
      },
      ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(
      {
        std::signal(SIGHUP, SIG_DFL);  // nohup may have started the tests
        handle_stop_requests();
        std::raise(SIGHUP);
        leave(stop_requested() && stop_exit_code() == ExitCode::kHungUp);
      },
      ::testing::ExitedWithCode(0), "");
}

// A command that does not look at the flag must still end at a signal.
TEST(Signals, EndAProgramThatDoesNotHandleThem) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    EXPECT_EXIT(
        {
          std::signal(signal, SIG_DFL);  // nohup may have started the tests
          install_signal_handlers();
          std::raise(signal);
          leave(true);
        },
        ::testing::KilledBySignal(signal), "");
}

TEST(Signals, AHangupThatNohupIgnoresStaysIgnored) {
  EXPECT_EXIT(
      {
        std::signal(SIGHUP, SIG_IGN);
        handle_stop_requests();
        std::raise(SIGHUP);
        leave(!stop_requested());
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(Signals, ASecondInterruptEndsAtOnce) {
  EXPECT_EXIT(
      {
        handle_stop_requests();
        std::raise(SIGINT);
        std::raise(SIGINT);
        leave(true);
      },
      ::testing::KilledBySignal(SIGINT), "");
}

// Batch systems send SIGTERM to every process of a job and then again to the first one. If a
// terminal closes, both the terminal and the shell send SIGHUP.
TEST(Signals, ASecondTerminationOrHangupIsTheSameWish) {
  for (const auto& [signal, code] :
       {std::pair{SIGTERM, ExitCode::kTerminated}, std::pair{SIGHUP, ExitCode::kHungUp}})
    EXPECT_EXIT(
        {
          std::signal(SIGHUP, SIG_DFL);
          handle_stop_requests();
          std::raise(signal);
          std::raise(signal);
          leave(stop_exit_code() == code);
        },
        ::testing::ExitedWithCode(0), "");
}

TEST(Signals, AskToSaveOnce) {
  EXPECT_EXIT(
      {
        install_signal_handlers();
        const bool before = take_save_request();
        std::raise(SIGUSR1);
        const bool asked = take_save_request();
        leave(!before && asked && !take_save_request() && !stop_requested());
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(Signals, ClosedPipesAndSizeLimitsAreErrorsOfTheWrite) {
  EXPECT_EXIT(
      {
        install_signal_handlers();
        std::raise(SIGPIPE);
        std::raise(SIGXFSZ);
        leave(!stop_requested());
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace ddpm
