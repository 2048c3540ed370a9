// How much of the machine this process may use: its cores and its memory, within the limits of
// containers. Linux sets these limits on control groups of processes, in two versions of files:
// `man 7 cgroups`.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace ddpm {

// CPU cores that this process may use, at least 1: those of the machine, or fewer if it is bound to
// some of them (taskset, the cpuset of a container) or its container has a quota.
int usable_cores();

// The quota of CPU time of the process's control group and those around it, in cores, rounded up: a
// quota of 1.5 cores is worth two threads, as one would leave a third of it unused. Nothing if
// there is none. `root` is the folder that holds proc and sys.
std::optional<int> core_quota(const std::filesystem::path& root = "/");

// Memory in bytes.
struct UsableMemory {
  double free = 0;         // how much more can be allocated now
  double total = 0;        // what there is, used or not
  std::string whose = {};  // what sets the limit, after "free of the 4.0 GiB ": "of this machine"
};

// The memory that this process can still allocate, by the limit that leaves the least: the memory
// of the machine with its swap space; that of a container; or the limits of the process (ulimit -v
// and -d). Pages of files count as free, because the system drops them when it needs their memory.
// Free and total are infinite where the system does not tell.
UsableMemory usable_memory(const std::filesystem::path& root = "/");

}  // namespace ddpm
