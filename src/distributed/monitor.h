// Signs of life. Private to this folder.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <thread>

#include "ddpm/base/world.h"
#include "failure.h"
#include "store.h"

namespace ddpm {

// Two threads. The first writes signs of life to the store every second and looks for a failure, for those of the
// next rank (so that each is watched by one, rank 0 too) and, on rank 0, for steps. The second looks whether the
// first one gets answers, because nothing else notices a host that was cut off. Both end the process by leave().
class Monitor {
 public:
  // `store`: a connection of its own, since a call that waits blocks all others of its connection.
  Monitor(Store store, const World& world, std::chrono::milliseconds silence);
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  void report(std::int64_t step, bool working) noexcept;
  void limit_step_time(std::chrono::milliseconds limit) noexcept { step_limit_ = limit.count(); }
  // A connection broke, so a silent process is not given long any more.
  void suspect() noexcept { suspects_ = true; }

 private:
  using Clock = std::chrono::steady_clock;
  // What the watcher of a rank remembers.
  struct Seen {
    std::string beat;
    Clock::time_point since = Clock::now();
  };

  void beat(const std::stop_token& stop);
  void exchange_signs();
  void pass_on_stop_requests();
  void watch_next();
  void watch_steps();
  void watch_store(const std::stop_token& stop) const;
  [[noreturn]] void end(const Failure& failure);

  Store store_;
  World world_;
  std::chrono::milliseconds silence_;
  std::string name_;
  std::int64_t beats_ = 0;
  Seen next_;                   // of the next rank
  Seen steps_;                  // of all ranks together; its text is the least step
  bool asked_to_stop_ = false;  // the others know it
  std::atomic<std::int64_t> step_ = 0, step_limit_ = 0;
  std::atomic<bool> working_ = false, suspects_ = false;
  std::atomic<Clock::time_point> answered_ = Clock::now();
  std::jthread beat_thread_, watch_thread_;
};

}  // namespace ddpm
