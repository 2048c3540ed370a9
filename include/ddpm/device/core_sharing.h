// Computing beside other programs on the same cores.
#pragma once

#include <memory>

namespace ddpm {

// Watches whether other programs want the cores on which this one computes, and lets waiting
// threads sleep then, in the background, until it is destroyed.
//
// A step consists of thousands of short loops, and at the end of each the threads of GNU's OpenMP
// wait for the slowest. They spin, since waking up costs a quarter of a step on two cores. But
// beside a browser the slowest one often waits for a core on which another spins, and a step takes
// three and a half times as long; threads that sleep at once leave it the core. OpenMP reads its
// own settings for this (OMP_WAIT_POLICY, GOMP_SPINCOUNT) only when it is loaded. What can be
// changed later is the number of its threads: with more of them than cores it spins a three
// hundredth as long (see the documentation of GOMP_SPINCOUNT). So while the cores are shared, a
// second team of threads exists that sleeps. The threads that compute, and with them the results,
// stay the same.
class CoreSharing {
 public:
  // Does nothing where it would have no effect or is not wanted: with one thread, with another
  // OpenMP than GNU's, if the user chose how threads wait by a variable of OpenMP, or if the system
  // does not say how long threads wait for cores (/proc/self/task/*/schedstat).
  explicit CoreSharing(int threads);
  ~CoreSharing();
  CoreSharing(const CoreSharing&) = delete;
  CoreSharing& operator=(const CoreSharing&) = delete;

 private:
  struct Watch;
  std::unique_ptr<Watch> watch_;
};

// Decides from the share of time for which threads waited for a core, in windows of equal length.
// Sharing begins with two windows of more than a tenth in a row and ends after a longer time of
// less than a fiftieth, so that short disturbances change nothing.
class SharingDecision {
 public:
  // `waited`: of the latest window, summed over all threads; 1 means that one thread never ran.
  // Returns whether the cores count as shared.
  bool add(double waited);

 private:
  int crowded_ = 0, free_ = 0;  // windows in a row
  bool shared_ = false;
};

}  // namespace ddpm
