// Options that a picture tells, so that it can be drawn again.
#pragma once

#include <cstdint>
#include <filesystem>

#include "drawing.h"

namespace ddpm::cli {

// Sets every option that was not given to what the text `parameters` of the PNG file tells, as this
// program and stable-diffusion-webui write it: prompts, steps, sampler, guidance, seed, size. Returns
// the number of the image of its seed, 0 if the text does not tell it. Throws DataError for a file
// without such a text, and one whose numbers are none.
std::int64_t repeat_picture(const std::filesystem::path& picture, DrawingOptions& options);

// Warns if the picture was drawn with other weights than the model's, as far as its text tells.
void compare_model(const std::filesystem::path& picture, const LoadedModel& model);

}  // namespace ddpm::cli
