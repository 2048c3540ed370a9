// Whether a job fits into the memory that is free. The program asks before it begins: the system
// kills a process that takes too much, perhaps hours later, without a message.
#pragma once

#include <cstdint>
#include <string>

#include "ddpm/architecture/cost.h"
#include "ddpm/base/machine.h"
#include "ddpm/config/config.h"

namespace ddpm {

// Bytes that a job is going to allocate, as estimated by cost.h. What is in memory already, such as
// the images of a training, is not part of them.
struct MemoryNeed {
  double host = 0;
  double gpu = 0;
};

// Of training with these settings. run.precision says in which type, and is not auto.
MemoryNeed training_need(const Cost& cost, const Config& config, bool on_gpu);

// Of loading the weights and drawing `batch` images at a time, in run.precision, which is not auto.
// `kept_bytes`: images that wait on the host until one file is written.
MemoryNeed sampling_need(const Cost& cost, const Config& config, std::int64_t batch,
                         double kept_bytes, bool on_gpu);

// Throws DeviceError if `job` ("training") clearly needs more than is free of the memory of the
// host or of the GPU. `ways_out` is what the user can change; it ends the message.
void require_memory(const std::string& job, const MemoryNeed& need, const UsableMemory& host,
                    const UsableMemory& gpu, const std::string& ways_out);

}  // namespace ddpm
