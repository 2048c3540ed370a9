// What a process can ask of a run between two steps.
#pragma once

#include <bitset>
#include <cstddef>

namespace ddpm {

enum class Request : std::size_t {
  kInterrupt,  // SIGINT
  kTerminate,  // SIGTERM
  kHangUp,     // SIGHUP
  kSave,       // SIGUSR1
  kTimeUp,     // --max-minutes
};
inline constexpr std::size_t kRequests = 5;

// Bit i: request i.
using Requests = std::bitset<kRequests>;

inline bool has(const Requests& requests, Request request) {
  return requests.test(static_cast<std::size_t>(request));
}

}  // namespace ddpm
