// Mel spectrograms of sound, as HiFi-GAN is trained on them.
#pragma once

#include <torch/types.h>

#include <span>

#include "ddpm/architecture/hifi_gan.h"

namespace ddpm {

// The weights of the bands, [bands, fft_size/2+1] float32: triangles over the frequencies, equally
// wide on Slaney's mel scale (linear below 1000 Hz, logarithmic above) and of equal area (Slaney,
// "Auditory Toolbox", 1998), as librosa.filters.mel gives them.
torch::Tensor mel_filters(const MelConfig& config);

// The spectrogram of sound at config.sampling_rate, [bands,frames] float32 with frames = 1 +
// (samples + 2 ((fft_size - hop_size)/2) - fft_size) / hop_size, which is samples / hop_size for
// the published configs. Both ends are padded with their reflection; frames of fft_size samples are
// weighted by a Hann window; the magnitude is sqrt(power + 1e-9), and the result is the logarithm
// of the bands, of 1e-5 at least. It is computed in float64: in float32 rounding shows where sound
// is nearly silent. Throws DataError if there is no whole frame, or if the sound is too short to be
// reflected.
torch::Tensor mel_spectrogram(std::span<const float> samples, const MelConfig& config);

}  // namespace ddpm
