// Resizing and cropping.
#pragma once

#include "ddpm/image/image.h"

namespace ddpm {

// Resamples the stored values with antialiasing (Mitchell when shrinking, Catmull-Rom when
// enlarging). The colour of transparent pixels has no effect on others. Throws
// std::invalid_argument for sizes < 1.
Image resize(const Image& image, int height, int width);

// The window [top, top+height) x [left, left+width), which must lie inside (else
// std::invalid_argument).
Image crop(const Image& image, int top, int left, int height, int width);

// Scales the image, keeping its aspect ratio, until it just covers height x width, and cuts out the
// centre. An image that has this size already is returned unchanged.
Image resize_and_center_crop(const Image& image, int height, int width);

// The side of the image to store when windows of `side` pixels are cropped at random: 9/8 of
// `side`, rounded.
int side_with_crop_margin(int side);

}  // namespace ddpm
