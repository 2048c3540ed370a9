#include "codecs.h"

#include <cmath>
#include <memory>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"

#if DDPM_WITH_SNDFILE
#include <sndfile.h>
#endif
#if DDPM_WITH_SOXR
#include <soxr.h>
#endif

namespace ddpm {

void append_mean(Sound& sound, double sum, const std::string& name) {
  const auto mean = static_cast<float>(sum / static_cast<double>(sound.channels));
  if (!std::isfinite(mean))
    throw DataError(
        format_text("{}: sample {} is not a finite number", name, sound.samples.size()));
  sound.samples.push_back(mean);
}

#if DDPM_WITH_SNDFILE

Sound decode_with_library(const std::filesystem::path& path) {
  SF_INFO info{};
  const std::unique_ptr<SNDFILE, int (*)(SNDFILE*)> file(sf_open(path.c_str(), SFM_READ, &info),
                                                         sf_close);
  if (!file)
    throw DataError(format_text("{}: not a file of sound: {}", shown(path), sf_strerror(nullptr)));
  if (info.channels < 1 || info.channels > kMaxSoundChannels || info.samplerate < 1 ||
      info.samplerate > kMaxSamplingRate)
    throw DataError(format_text("{}: {} channels and {} samples a second are not supported",
                                shown(path), info.channels, info.samplerate));
  const auto channels = static_cast<std::size_t>(info.channels);
  Sound sound{.rate = info.samplerate, .samples = {}, .channels = info.channels};
  std::vector<float> block(channels * 4096);
  while (true) {
    // The number of frames in the header may be wrong, so the file is read until its end.
    const sf_count_t frames = sf_readf_float(file.get(), block.data(), 4096);
    if (frames <= 0) break;
    for (std::size_t i = 0; i < static_cast<std::size_t>(frames); ++i) {
      double sum = 0;
      for (std::size_t c = 0; c < channels; ++c)
        sum += static_cast<double>(block[i * channels + c]);
      append_mean(sound, sum, shown(path));
    }
  }
  if (sf_error(file.get()) != SF_ERR_NO_ERROR)
    throw DataError(format_text("{}: damaged: {}", shown(path), sf_strerror(file.get())));
  return sound;
}

#else

Sound decode_with_library(const std::filesystem::path& path) {
  throw DataError(format_text(
      "{}: not a WAV file, and this program was built without libsndfile, which reads other formats: "
      "ffmpeg -i IN -ac 1 OUT.wav",
      shown(path)));
}

#endif

#if DDPM_WITH_SOXR

std::vector<float> resample_with_library(const Sound& sound, std::int64_t rate,
                                         const std::string& name) {
  const auto from = static_cast<double>(sound.rate), to = static_cast<double>(rate);
  const double samples = std::ceil(static_cast<double>(sound.samples.size()) * to / from);
  std::vector<float> result(static_cast<std::size_t>(samples));
  std::size_t written = 0;
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_VHQ, 0);
  const soxr_error_t error =
      soxr_oneshot(from, to, /*num_channels=*/1, sound.samples.data(), sound.samples.size(),
                   /*idone=*/nullptr, result.data(), result.size(), &written, /*io_spec=*/nullptr,
                   &quality, /*runtime_spec=*/nullptr);
  if (error != nullptr)
    throw DataError(format_text("{}: cannot be resampled: {}", name, soxr_strerror(error)));
  result.resize(written);
  return result;
}

#else

std::vector<float> resample_with_library(const Sound& sound, std::int64_t rate,
                                         const std::string& name) {
  throw DataError(format_text(
      "{}: {} samples a second, and {} are needed; this program was built without libsoxr, which "
      "resamples: ffmpeg -i IN -ar {} -ac 1 OUT.wav",
      name, sound.rate, rate, rate));
}

#endif

}  // namespace ddpm
