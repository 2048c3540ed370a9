// Does work on many things of one kind, such as files, on several threads.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace ddpm {

struct WorkOptions {
  int threads = 0;                  // 0: as many as there are usable cores (base/machine.h)
  std::function<bool()> stop = {};  // called often; true ends the work
  // Called often, in the thread that called for_each_index.
  std::function<void(std::size_t done, std::size_t total)> progress = {};
};

// Calls work(i) for i in [0, count) on several threads, in any order. Returns one text for each
// index: the message of the DataError that work(i) threw, or empty for success. Any other exception
// is rethrown here. With `stop_at_first`, indices after the lowest failing one may be left out, but
// all before it are done, so the first failure does not depend on timing. Throws
// Error(kInterrupted) "interrupted while `doing`" if asked to stop.
std::vector<std::string> for_each_index(std::size_t count, const WorkOptions& options,
                                        bool stop_at_first, const std::string& doing,
                                        const std::function<void(std::size_t)>& work);

}  // namespace ddpm
