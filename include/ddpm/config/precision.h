// What run.precision = auto means on a device.
#pragma once

#include <optional>
#include <string>

#include "ddpm/config/choices.h"

namespace ddpm {

struct ChosenPrecision {
  Precision precision = Precision::kFp32;  // never kAuto
  std::string reason;                      // why `auto` means this; empty if it was asked for
};

// The precision to compute in. kAuto is bf16 on GPUs that have units for it, which is several times
// as fast and trains as well (docs/performance.md), and else fp32: older GPUs and most CPUs compute
// bf16 more slowly than fp32, and tf32 needs the same GPUs as bf16. `gpu_capability`: that of the
// GPU (kernels/device.h), 80 for 8.0, 0 if it is unknown; none: a CPU.
ChosenPrecision choose_precision(Precision wanted, std::optional<int> gpu_capability);

}  // namespace ddpm
