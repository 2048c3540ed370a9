// Arrangements of several images in one picture. Private to this folder.
#pragma once

#include <cstddef>
#include <vector>

#include "ddpm/image/image.h"

namespace ddpm {

// Images whose classes are dealt out in turn among `classes` > 1: a row for each class.
Image class_sheet(const std::vector<Image>& images, std::size_t classes);

// A frame of an animation: on the left all noisy images, on the right what they are predicted to become.
Image animation_sheet(const std::vector<Image>& noisy, const std::vector<Image>& predicted);

}  // namespace ddpm
