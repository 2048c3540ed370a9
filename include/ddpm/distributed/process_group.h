// The processes of one job: how they meet, stay in touch, and end together.
#pragma once

#include <torch/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ddpm/base/error.h"
#include "ddpm/distributed/communicator.h"
#include "ddpm/distributed/launch.h"

namespace ddpm {

// A collective failed because another process is gone. Which one, ProcessGroup::fail_with_others finds out.
struct ConnectionLost : Error {
  explicit ConnectionLost(const std::string& message) : Error(ExitCode::kFailure, message) {}
};

// How long processes wait for each other; DDPM_RENDEZVOUS_SECONDS and DDPM_PEER_SECONDS change it.
struct Patience {
  std::chrono::milliseconds rendezvous = std::chrono::seconds(120);  // for all to come
  std::chrono::milliseconds silence = std::chrono::seconds(20);      // without a sign of life
};
Patience patience_of(const Environment& variables);

// This process among the others. They meet at a c10d::TCPStore. From then on a thread gives signs of life there and
// watches those of the next rank. If a process fails, falls silent or is cut off, all others end within about the
// time of Patience::silence, by _exit: whoever waits for a dead process inside a collective can do nothing else.
class ProcessGroup {
 public:
  // Waits until all processes have come. Throws Error(kFailure) that names who is missing or comes twice, and what
  // is wrong with the address.
  ProcessGroup(const Launch& launch, const Patience& patience);
  ~ProcessGroup();
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;

  const World& world() const;
  const Launch& launch() const;

  // The text that rank 0 passes, on every rank; at most 8 MiB. `name` is used once in a job, here and below.
  std::string share(const std::string& name, const std::string& text);
  // The texts of all ranks, in their order.
  std::vector<std::string> collect(const std::string& name, const std::string& own);
  // Waits until all ranks have come here.
  void barrier(const std::string& name);
  // Calls `work`, on each host first in one process, and when it is done in all others there, which then find
  // its files.
  void one_first_on_each_host(const std::string& name, const std::function<void()>& work);

  // Throws ConfigError on a rank whose text differs from that of rank 0, with both.
  void require_equal(const std::string& what, const std::string& own);

  // For messages about this process, and to notice one that hangs: the step that it has reached, and what it is
  // doing. Cheap. Where `working` is false (saving, drawing a preview), no step is expected.
  void report(std::int64_t step, bool working = true) noexcept;
  // From now on, the job fails if no process makes a step for this time while all of them are working.
  void limit_step_time(std::chrono::milliseconds limit) noexcept;

  // For tensors on this device; by gloo on the CPU, by NCCL on a GPU. `in_order`: sums are always added in the order
  // of ranks. All ranks call it together. Throws DeviceError if this program was built without the library.
  std::unique_ptr<Communicator> communicator(torch::Device device, bool in_order);

  // The orderly end: waits for all ranks. Returns the first exit code by rank that is not kSuccess, or kSuccess.
  ExitCode finish(ExitCode own);

  // The end after an exception: logs its message and ends all processes with its code. If another rank failed first,
  // that one's message is told instead.
  [[noreturn]] void fail(const Error& error);
  // The same after a collective that failed through no fault of this process: first gives the others the time of
  // Patience::silence to say what happened to them.
  [[noreturn]] void fail_with_others(const ConnectionLost& error);

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace ddpm
