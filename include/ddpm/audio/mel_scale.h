#pragma once

namespace ddpm {

// Slaney's mel scale ("Auditory Toolbox", 1998): linear below 1000 Hz, 3 mel for 200 Hz, and
// logarithmic above, 27 mel for a factor of 6.4.
double hertz_to_mel(double hertz);
double mel_to_hertz(double mel);

}  // namespace ddpm
