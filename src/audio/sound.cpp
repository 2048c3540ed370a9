#include "ddpm/audio/sound.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "codecs.h"
#include "ddpm/audio/wav.h"
#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"

namespace ddpm {

namespace {

Sound decode(const fs::path& path) {
  {
    const MappedFile file = map_file<DataError>(path);
    if (looks_like_wav(file.bytes())) return read_wav(file.bytes(), shown(path));
  }
  return decode_with_library(path);
}

}  // namespace

bool has_sound_extension(const fs::path& path) {
  static constexpr std::array<std::string_view, 12> kExtensions = {
      ".wav", ".wave", ".flac", ".ogg",  ".oga", ".opus",
      ".mp3", ".aif",  ".aiff", ".aifc", ".au",  ".w64"};
  return std::ranges::find(kExtensions, lower_case(path.extension().string())) != kExtensions.end();
}

Sound read_sound(const fs::path& path) {
  Sound sound = decode(path);
  if (sound.channels > 1)
    log_info("{}: the mean of its {} channels is used", shown(path), sound.channels);
  if (sound.is_cut_off)
    log_warning("{}: the recording is cut off; {:.1f} s of it are there", shown(path),
                static_cast<double>(sound.samples.size()) / static_cast<double>(sound.rate));
  return sound;
}

Sound at_rate(Sound sound, std::int64_t rate, const std::string& name) {
  if (sound.rate == rate) return sound;
  return {.rate = rate,
          .samples = resample_with_library(sound, rate, name),
          .channels = sound.channels};
}

}  // namespace ddpm
