#include "ddpm/audio/mel_scale.h"

#include <cmath>

namespace ddpm {
namespace {

constexpr double kHertzPerMel = 200.0 / 3, kLinearHertz = 1000, kLinearMels = 15;
const double kLogStep = std::log(6.4) / 27;

}  // namespace

double hertz_to_mel(double hertz) {
  if (hertz < kLinearHertz) return hertz / kHertzPerMel;
  return kLinearMels + std::log(hertz / kLinearHertz) / kLogStep;
}

double mel_to_hertz(double mel) {
  if (mel < kLinearMels) return mel * kHertzPerMel;
  return kLinearHertz * std::exp((mel - kLinearMels) * kLogStep);
}

}  // namespace ddpm
