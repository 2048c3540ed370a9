#include "ddpm/base/machine.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <thread>

#include "control_groups.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;

constexpr double kInfinite = std::numeric_limits<double>::infinity();

// The cores that this process is bound to; a large number if the system does not tell.
int bound_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  // It fails on machines of more than 1024 cores, which a set of this size cannot hold.
  if (::sched_getaffinity(0, sizeof cores, &cores) != 0) return std::numeric_limits<int>::max();
  return CPU_COUNT(&cores);
}

// "150000 100000" or "max 100000": microseconds of CPU time in a period, and the period.
double quota_of_group(GroupVersion version, const fs::path& group) {
  double quota = -1, period = 0;
  if (version == GroupVersion::kTwo) {
    std::istringstream words(kernel_file(group / "cpu.max"));
    if (!(words >> quota >> period)) return kInfinite;
  } else {
    quota = kernel_number(group / "cpu.cfs_quota_us").value_or(-1);
    period = kernel_number(group / "cpu.cfs_period_us").value_or(0);
  }
  return quota > 0 && period > 0 ? quota / period : kInfinite;
}

void lower_to(UsableMemory& memory, const UsableMemory& limit) {
  if (limit.free < memory.free) memory = limit;
}

// Counts swap space: memory that other programs do not need at the moment can be moved there.
UsableMemory memory_of_machine(const fs::path& root) {
  const auto bytes = [&](const char* key) {
    return 1024 * kernel_number(root / "proc/meminfo", key).value_or(0);
  };
  const double swap = bytes("SwapTotal:");
  UsableMemory memory{.free = bytes("MemAvailable:") + bytes("SwapFree:"),
                      .total = bytes("MemTotal:") + swap,
                      .whose = swap > 0 ? "of this machine (with swap space)" : "of this machine"};
  if (memory.total <= 0) memory.free = memory.total = kInfinite;
  return memory;
}

UsableMemory memory_of_group(GroupVersion version, const fs::path& group) {
  const bool two = version == GroupVersion::kTwo;
  const auto number = [&](const char* name, double fallback) {
    return kernel_number(group / name).value_or(fallback);
  };
  // Beyond memory.high a group is slowed down so much that it does not get on.
  const double limit =
      two ? std::min(number("memory.max", kInfinite), number("memory.high", kInfinite))
          : number("memory.limit_in_bytes", kInfinite);
  double used = number(two ? "memory.current" : "memory.usage_in_bytes", 0);
  // The lists of a group's pages of files, which are dropped before the limit is enforced.
  for (const char* list : {"inactive_file ", "active_file "})
    used -=
        kernel_number(group / "memory.stat", two ? list : std::string("total_") + list).value_or(0);
  return {.free = std::max(limit - std::max(used, 0.0), 0.0),
          .total = limit,
          .whose = "that this container (control group) may use"};
}

// `used_pages`: the column of /proc/self/statm with what counts towards the limit.
UsableMemory memory_of_process(const fs::path& root, decltype(RLIMIT_AS) resource,
                               std::size_t used_pages, const std::string& whose) {
  struct rlimit limit {};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
    return {.free = kInfinite, .total = kInfinite};
  std::istringstream columns(kernel_file(root / "proc/self/statm"));
  double pages = 0;
  for (std::size_t i = 0; i <= used_pages; ++i) columns >> pages;
  const auto total = static_cast<double>(limit.rlim_cur);
  const double used = pages * static_cast<double>(::sysconf(_SC_PAGESIZE));
  return {.free = std::max(total - used, 0.0), .total = total, .whose = whose};
}

}  // namespace

int usable_cores() {
  int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  cores = std::min(cores, bound_cores());
  return std::max(1, std::min(cores, core_quota().value_or(cores)));
}

std::optional<int> core_quota(const fs::path& root) {
  double least = kInfinite;
  for_each_group(root, "cpu", [&](GroupVersion version, const fs::path& group) {
    least = std::min(least, quota_of_group(version, group));
  });
  if (std::isinf(least)) return std::nullopt;
  return static_cast<int>(std::min(std::max(std::ceil(least), 1.0), 1e6));
}

UsableMemory usable_memory(const fs::path& root) {
  UsableMemory memory = memory_of_machine(root);
  const double machine = memory.total;
  for_each_group(root, "memory", [&](GroupVersion version, const fs::path& group) {
    // Version 1 writes no limit as one that no machine reaches.
    const UsableMemory limit = memory_of_group(version, group);
    if (limit.total < machine) lower_to(memory, limit);
  });
  constexpr std::size_t kAddressSpace = 0, kData = 5;
  lower_to(memory, memory_of_process(root, RLIMIT_AS, kAddressSpace, "that `ulimit -v` allows"));
  lower_to(memory, memory_of_process(root, RLIMIT_DATA, kData, "that `ulimit -d` allows"));
  return memory;
}

}  // namespace ddpm
