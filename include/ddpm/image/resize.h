// Resizing and cropping.
#pragma once

#include "ddpm/image/image.h"

namespace ddpm {

// Antialiased resampling (Mitchell when shrinking, Catmull-Rom when enlarging) of the stored
// values; transparent pixels do not bleed their colour. Throws std::invalid_argument for sizes < 1.
Image resize(const Image& image, int height, int width);

// The window [top, top+height) x [left, left+width), which must lie inside (else
// std::invalid_argument).
Image crop(const Image& image, int top, int left, int height, int width);

// Scales with the aspect ratio kept until the image just covers height x width, and keeps the
// centre. What the target covers at its own size already is returned as it is.
Image resize_and_center_crop(const Image& image, int height, int width);

// Side of the image to store when windows of `side` pixels are cropped at random: 9/8 of it,
// rounded.
int side_with_crop_margin(int side);

}  // namespace ddpm
