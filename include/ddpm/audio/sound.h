// Sound in memory, and the files that it is read from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ddpm {

// One channel of sound. Samples are in [-1,1], unless a file of floating-point numbers has larger
// ones.
struct Sound {
  std::int64_t rate = 0;  // samples a second
  std::vector<float> samples;
  std::int64_t channels = 1;  // of the file; `samples` is their mean
  bool is_cut_off = false;    // the file should have more samples, but ends
};

// Limits of a file: no microphone and no player knows more.
inline constexpr std::int64_t kMaxSamplingRate = 1'000'000;
inline constexpr std::int64_t kMaxSoundChannels = 256;

// Whether the extension is one of a file of sound, in upper or lower case.
bool has_sound_extension(const std::filesystem::path& path);

// Reads a file of sound: WAV (audio/wav.h), and with libsndfile FLAC, Ogg, MP3, AIFF and the rest.
// Logs what was done to the channels, and if the file is cut off. Throws DataError "<path>:
// <reason>", with the command of ffmpeg that helps if the program was built without libsndfile.
Sound read_sound(const std::filesystem::path& path);

// The sound at another rate, by libsoxr's very high quality. `name` begins messages. Throws
// DataError with the command of ffmpeg that helps if the program was built without libsoxr.
Sound at_rate(Sound sound, std::int64_t rate, const std::string& name);

}  // namespace ddpm
