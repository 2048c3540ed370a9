// What libraries do that the program may be built without, and what they share with the reader of WAV.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ddpm/audio/sound.h"

namespace ddpm {

// Reads a file of a format other than WAV with libsndfile. Throws DataError.
Sound decode_with_library(const std::filesystem::path& path);

// The samples at another rate, by libsoxr. `name` begins messages. Throws DataError.
std::vector<float> resample_with_library(const Sound& sound, std::int64_t rate,
                                         const std::string& name);

// Appends the mean of the channels, whose sum this is. `name` begins messages. Throws DataError if it is
// not finite.
void append_mean(Sound& sound, double sum, const std::string& name);

}  // namespace ddpm
