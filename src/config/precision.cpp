#include "ddpm/config/precision.h"

namespace ddpm {

ChosenPrecision choose_precision(Precision wanted, std::optional<int> gpu_capability) {
  constexpr int kAmpere = 80;  // the first GPUs with bf16 units
  if (wanted != Precision::kAuto) return {wanted, ""};
  if (!gpu_capability) return {Precision::kFp32, "auto: on a CPU"};
  if (*gpu_capability >= kAmpere)
    return {Precision::kBf16, "auto: this GPU has bf16 units; --precision fp32 for full precision"};
  if (*gpu_capability > 0) return {Precision::kFp32, "auto: this GPU has no bf16 units"};
  return {Precision::kFp32, "auto: it is not known whether this GPU has bf16 units"};
}

}  // namespace ddpm
