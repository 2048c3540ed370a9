// Work on many things of equal kind, files for example, on several threads.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace ddpm {

struct WorkOptions {
  int threads = 0;                  // 0: as many as the machine has
  std::function<bool()> stop = {};  // asked often; true ends the work
  // Called often, from the calling thread.
  std::function<void(std::size_t done, std::size_t total)> progress = {};
};

// Calls work(i) for i in [0, count) on several threads, in any order. A DataError is kept as the
// failure of that index; with `stop_at_first`, indices after the lowest failing one may be left
// out, all before it are done, so that which failure comes first does not depend on timing. Any
// other exception is rethrown here. Returns one reason an index, empty for success. Throws
// Error(kInterrupted) "interrupted while `doing`" if asked to stop.
std::vector<std::string> for_each_index(std::size_t count, const WorkOptions& options,
                                        bool stop_at_first, const std::string& doing,
                                        const std::function<void(std::size_t)>& work);

}  // namespace ddpm
