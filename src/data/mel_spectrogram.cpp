#include "ddpm/data/mel_spectrogram.h"

#include <torch/fft.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "ddpm/audio/mel_scale.h"
#include "ddpm/base/error.h"
#include "ddpm/base/format.h"

namespace ddpm {
namespace {

torch::Tensor window_of(const MelConfig& config) {
  const torch::Tensor window = torch::hann_window(config.window_size, torch::kFloat64);
  const std::int64_t missing = config.fft_size - config.window_size;
  return torch::constant_pad_nd(window, {missing / 2, missing - missing / 2});
}

// The weights of the bands in float64.
torch::Tensor filters_of(const MelConfig& config) {
  const std::int64_t bins = config.fft_size / 2 + 1;
  std::vector<double> edges;
  const double lowest = hertz_to_mel(config.lowest), highest = hertz_to_mel(config.highest);
  for (std::int64_t i = 0; i < config.bands + 2; ++i)
    edges.push_back(mel_to_hertz(lowest + (highest - lowest) * static_cast<double>(i) /
                                              static_cast<double>(config.bands + 1)));
  torch::Tensor filters = torch::zeros({config.bands, bins}, torch::kFloat64);
  auto value = filters.accessor<double, 2>();
  for (std::int64_t band = 0; band < config.bands; ++band) {
    const auto edge = edges.begin() + band;
    for (std::int64_t bin = 0; bin < bins; ++bin) {
      const double hertz =
          static_cast<double>(bin * config.sampling_rate) / static_cast<double>(config.fft_size);
      const double rising = (hertz - edge[0]) / (edge[1] - edge[0]);
      const double falling = (edge[2] - hertz) / (edge[2] - edge[1]);
      value[band][bin] = std::max(0.0, std::min(rising, falling)) * 2 / (edge[2] - edge[0]);
    }
  }
  return filters;
}

// The samples that frames first .. first + frames - 1 cover, with the reflection of both ends.
torch::Tensor samples_of(std::span<const float> samples, std::int64_t first, std::int64_t frames,
                         const MelConfig& config) {
  const auto count = static_cast<std::int64_t>(samples.size());
  const std::int64_t begin = first * config.hop_size - (config.fft_size - config.hop_size) / 2;
  torch::Tensor part =
      torch::empty({(frames - 1) * config.hop_size + config.fft_size}, torch::kFloat64);
  double* to = part.mutable_data_ptr<double>();
  for (std::int64_t i = begin; i < begin + part.numel(); ++i) {
    const std::int64_t left = std::abs(i);
    const std::int64_t at = left < count ? left : 2 * (count - 1) - left;
    *to++ = static_cast<double>(samples[static_cast<std::size_t>(at)]);
  }
  return part;
}

}  // namespace

torch::Tensor mel_filters(const MelConfig& config) {
  return filters_of(config).to(torch::kFloat32);
}

torch::Tensor mel_spectrogram(std::span<const float> samples, const MelConfig& config) {
  const auto count = static_cast<std::int64_t>(samples.size());
  const std::int64_t padding = (config.fft_size - config.hop_size) / 2;
  const std::int64_t least = std::max(padding + 1, config.fft_size - 2 * padding);
  if (count < least)
    throw DataError(format_text("{} samples are too few for a spectrogram; at least {} are needed",
                                count, least));
  const std::int64_t frames = 1 + (count + 2 * padding - config.fft_size) / config.hop_size;
  const torch::Tensor filters = filters_of(config), window = window_of(config);
  torch::Tensor mel = torch::empty({config.bands, frames});
  constexpr std::int64_t kFramesAtOnce = 1024;  // the spectrum of an hour takes gigabytes
  for (std::int64_t first = 0; first < frames; first += kFramesAtOnce) {
    const std::int64_t size = std::min(kFramesAtOnce, frames - first);
    const torch::Tensor part = samples_of(samples, first, size, config)
                                   .as_strided({size, config.fft_size}, {config.hop_size, 1});
    const torch::Tensor spectrum = torch::view_as_real(torch::fft::rfft(part * window));
    const torch::Tensor magnitude = (spectrum.square().sum(-1) + 1e-9).sqrt();
    mel.narrow(1, first, size).copy_(torch::mm(filters, magnitude.t()).clamp_min(1e-5).log());
  }
  return mel;
}

}  // namespace ddpm
