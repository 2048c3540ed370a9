// Why a job ends, as its processes tell each other. Private to this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ddpm/base/error.h"
#include "ddpm/distributed/launch.h"
#include "store.h"

namespace ddpm {

struct Failure {
  std::string who;   // "rank 2 on n7 (process 4711)"
  std::string text;  // what happened to it
  ExitCode code = ExitCode::kFailure;
  bool told = false;  // it has printed that itself, on its host
};

// Records the failure unless another was recorded before, and returns the recorded one.
Failure record_failure(c10d::Store& store, const Failure& failure);
std::optional<Failure> recorded_failure(c10d::Store& store);

// Logs the failure, unless another process of this host has done so.
void tell_once(c10d::Store& store, const Failure& failure);

// "rank 2 on n7 (process 4711)", of this process.
std::string name_of_this_process(const World& world);

// Keys of this attempt of the job alone.
Store keys_of(const Launch& launch, Store store);

// The exit of a process whose job has failed. Tells torchrun the reason. No destructor runs: those of communicators
// may wait for the dead for ever.
[[noreturn]] void leave(const Failure& failure);

}  // namespace ddpm
