// How long something took.
#pragma once

#include <chrono>

namespace ddpm {

// Measures time from its construction on, by a clock that never goes back. Assign {} to restart it.
class Stopwatch {
 public:
  // The time that it has run, pauses not counted.
  double seconds() const { return before_ + (running_ ? since(started_) : 0); }

  // Pausing a paused stopwatch has no effect, nor has resuming a running one.
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
  double before_ = 0;  // seconds that it ran before the last pause
  bool running_ = true;
};

}  // namespace ddpm
