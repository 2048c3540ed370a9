// Which part of a machine each of its processes uses.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

#include "ddpm/base/world.h"
#include "ddpm/distributed/process_group.h"

namespace ddpm {

// What run.device means for one of several processes: "auto" and "cuda" are the GPU of its local rank, counted round
// and round, since some launchers show each process only its own.
std::string device_of(const std::string& wanted, const World& world);

// CPU threads: those that were asked for; else for several processes an equal share of the cores, unless
// OMP_NUM_THREADS says how many (torchrun sets it to 1 if nobody else did, which counts as nothing); 0: the default.
std::int64_t threads_of(std::int64_t wanted, const World& world);

// Throws DeviceError that names the ranks if two of them use one GPU. All ranks call it together.
void require_own_gpus(ProcessGroup& group, torch::Device device);

}  // namespace ddpm
