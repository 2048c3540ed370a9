// What libraries do that the program may be built without.
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

}  // namespace ddpm
