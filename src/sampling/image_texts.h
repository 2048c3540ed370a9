// What image files tell about how they were drawn. Private to this folder.
#pragma once

#include <cstdint>

#include "ddpm/sampling/job.h"

namespace ddpm {

// Steps that the config asks for; each may evaluate the network more than once.
std::int64_t steps_of(const Config& config);

// The texts of a PNG file that holds image `index`, or several from it on.
PngText image_texts(const LoadedModel& model, const SampleRequest& request, std::int64_t index,
                    bool one_image);

// Of these only what ordinary images do not have: guidance and edits.
PngText special_texts(const LoadedModel& model, const SampleRequest& request);

}  // namespace ddpm
