// Turns captions into the contexts that a text-to-image network is trained on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "ddpm/device/runtime.h"
#include "ddpm/sampling/text_encoders.h"

namespace ddpm {

// Writes `contexts` and `empty` (docs/formats/contexts.md) of the captions, one for each image or class.
// Equal captions share a row, and then `rows` says which row is whose. Throws DataError that names the
// line for a caption of more ids than the text encoder takes at once, and IoError.
void write_contexts(TextEncoders& encoders, const std::vector<std::string>& captions,
                    const std::filesystem::path& output);

// Writes a text encoder of two layers with random weights that depend on the seed alone, for models that
// are trained without a trained one: texts get contexts that differ, but do not know what words mean.
// `width`: channels of a context, a multiple of 8.
void make_text_encoder(const std::filesystem::path& folder, std::int64_t width, std::uint64_t seed);

}  // namespace ddpm
