#include "ddpm/device/core_sharing.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include "ddpm/base/host.h"
#include "ddpm/base/log.h"

namespace ddpm {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr auto kWindow = std::chrono::milliseconds(250);

// Nanoseconds for which the threads of this process that exist now have been ready to run and had no
// core; nothing if the system does not tell.
std::optional<std::uint64_t> waited_for_cores() {
  std::error_code error;
  std::uint64_t total = 0;
  bool known = false;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", error)) {
    std::ifstream file(task.path() / "schedstat");
    std::uint64_t ran = 0, waited = 0;
    if (!(file >> ran >> waited)) continue;  // it has ended
    total += waited;
    known = true;
  }
  if (!known) return std::nullopt;
  return total;
}

// Other libraries do not have this number, or give it another meaning.
bool has_gnu_openmp() {
#if defined(_OPENMP) && defined(__GNUC__) && !defined(__clang__)
  return true;
#else
  return false;
#endif
}

// A second team of OpenMP that exists as long as this object. Together with the team of `threads`
// that computes it has more threads than there are cores.
class SleepingTeam {
 public:
  explicit SleepingTeam([[maybe_unused]] int threads) {
#if defined(_OPENMP)
    const int size = std::max(2, omp_get_num_procs() - threads + 2);
    owner_ = std::jthread([size](const std::stop_token& stop) {
      std::atomic<int> members = 0;  // an empty region would be left out by the compiler
#pragma omp parallel num_threads(size)
      ++members;
      log_debug("a second team of {} threads sleeps", members.load());
      std::mutex mutex;
      std::unique_lock lock(mutex);
      std::condition_variable_any().wait(lock, stop, [] { return false; });
    });
#endif
  }

 private:
  std::jthread owner_;  // OpenMP ends the team together with the thread that began it
};

}  // namespace

bool SharingDecision::add(double waited) {
  constexpr double kCrowded = 0.1, kFree = 0.02;
  constexpr int kWindowsToBegin = 2, kWindowsToEnd = 20;
  crowded_ = waited > kCrowded ? crowded_ + 1 : 0;
  free_ = waited < kFree ? free_ + 1 : 0;
  if (crowded_ >= kWindowsToBegin) shared_ = true;
  if (free_ >= kWindowsToEnd) shared_ = false;
  return shared_;
}

struct CoreSharing::Watch {
  explicit Watch(int threads) : threads_(threads) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }

 private:
  void run(const std::stop_token& stop) {
    SharingDecision decision;
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any wake;
    std::uint64_t before = waited_for_cores().value_or(0);
    Clock::time_point since = Clock::now();
    while (!wake.wait_for(lock, stop, kWindow, [&stop] { return stop.stop_requested(); }) &&
           !stop.stop_requested()) {
      const Clock::time_point now = Clock::now();
      const std::uint64_t waited = waited_for_cores().value_or(before);
      // A thread that has ended takes its time with it, so that the sum may shrink.
      const double share = waited > before ? 1e-9 * static_cast<double>(waited - before) /
                                                 Seconds(now - since).count()
                                           : 0;
      before = waited;
      since = now;
      apply(decision.add(share));
    }
  }

  void apply(bool shared) {
    if (shared == team_.has_value()) return;
    if (shared)
      team_.emplace(threads_);
    else
      team_.reset();
    if (++changes_ > 2) return;  // what follows is the same again
    if (shared)
      log_info("other programs use these cores too: threads sleep while they wait for each other");
    else
      log_info("the cores are free again: threads spin while they wait for each other");
  }

  int threads_;
  int changes_ = 0;
  std::optional<SleepingTeam> team_;
  std::jthread thread_;  // last, so that it ends first
};

CoreSharing::CoreSharing(int threads) {
  const bool chosen = is_set("OMP_WAIT_POLICY") || is_set("GOMP_SPINCOUNT");
  if (threads < 2 || chosen || !has_gnu_openmp() || !waited_for_cores()) return;
  watch_ = std::make_unique<Watch>(threads);
}

CoreSharing::~CoreSharing() = default;

}  // namespace ddpm
