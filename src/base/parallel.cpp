#include "ddpm/base/parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>

#include "ddpm/base/error.h"
#include "ddpm/base/machine.h"
#include "ddpm/base/signals.h"

namespace ddpm {
namespace {

// What the workers of one call share.
struct Shared {
  std::size_t count;
  bool stop_at_first;
  const std::function<void(std::size_t)>& work;
  std::atomic<std::size_t> next = 0;
  std::atomic<std::size_t> done = 0;
  std::atomic<std::size_t> first_failure;  // lowest failed index so far, or count
  std::atomic<bool> stopped = false;
  std::mutex mutex;
  std::exception_ptr fatal;  // guarded by mutex
  std::vector<std::string> reasons;
};

void lower_to(std::atomic<std::size_t>& value, std::size_t candidate) {
  std::size_t current = value;
  while (candidate < current && !value.compare_exchange_weak(current, candidate)) {
  }
}

// Threads take indices in ascending order. So when one has failed, all lower ones are done or in
// work, and the first failure is the same in every run.
void run_worker(Shared& shared) {
  while (!shared.stopped) {
    const std::size_t i = shared.next++;
    if (i >= shared.count || (shared.stop_at_first && i > shared.first_failure)) return;
    try {
      shared.work(i);
    } catch (const DataError& error) {
      shared.reasons[i] = error.what();
      lower_to(shared.first_failure, i);
    } catch (...) {
      const std::lock_guard lock(shared.mutex);
      if (!shared.fatal) shared.fatal = std::current_exception();
      shared.stopped = true;
    }
    ++shared.done;
  }
}

// Reports progress and asks whether to stop, until the workers have finished.
void supervise(Shared& shared, const WorkOptions& options, const std::atomic<int>& running) {
  while (running > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (options.stop && options.stop()) shared.stopped = true;
    if (options.progress) options.progress(shared.done, shared.count);
  }
}

ExitCode interruption_code() {
  const ExitCode code = stop_exit_code();
  return code == ExitCode::kSuccess ? ExitCode::kInterrupted : code;
}

std::size_t thread_count(const WorkOptions& options, std::size_t count) {
  const int wanted = options.threads > 0 ? options.threads : usable_cores();
  return std::clamp<std::size_t>(static_cast<std::size_t>(wanted), 1,
                                 std::max<std::size_t>(count, 1));
}

}  // namespace

std::vector<std::string> for_each_index(std::size_t count, const WorkOptions& options,
                                        bool stop_at_first, const std::string& doing,
                                        const std::function<void(std::size_t)>& work) {
  Shared shared{.count = count,
                .stop_at_first = stop_at_first,
                .work = work,
                .first_failure = count,
                .mutex = {},
                .fatal = {},
                .reasons = std::vector<std::string>(count)};
  std::atomic<int> running = 0;
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = thread_count(options, count); i > 0; --i) {
      ++running;
      threads.emplace_back([&shared, &running] {
        run_worker(shared);
        --running;
      });
    }
    supervise(shared, options, running);
  }
  if (shared.fatal) std::rethrow_exception(shared.fatal);
  if (shared.stopped) throw Error(interruption_code(), "interrupted while " + doing);
  return std::move(shared.reasons);
}

}  // namespace ddpm
