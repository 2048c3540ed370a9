// How long something took.
#pragma once

#include <chrono>

namespace ddpm {

// Runs from its construction on, by a clock that never goes back. Assign {} to start anew.
class Stopwatch {
 public:
  // While it ran.
  double seconds() const { return before_ + (running_ ? since(started_) : 0); }

  // No effect on one that rests / runs already.
  void pause() {
    before_ = seconds();
    running_ = false;
  }
  void resume() {
    if (!running_) started_ = Clock::now();
    running_ = true;
  }

 private:
  using Clock = std::chrono::steady_clock;

  static double since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  Clock::time_point started_ = Clock::now();
  double before_ = 0;  // seconds until it last rested
  bool running_ = true;
};

}  // namespace ddpm
