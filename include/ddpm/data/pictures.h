// Pictures that a user gives to be edited, brought to a network's size and channels as its training
// images are: scaled until they cover it, with the centre kept, turned upright as Exif says.
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <span>
#include <vector>

#include "ddpm/config/config.h"

namespace ddpm {

// The image file, or the image files of the folder and its sub-folders, sorted by path. Throws
// DataError if there is none.
std::vector<std::filesystem::path> find_pictures(const std::filesystem::path& path,
                                                 const DataConfig& data);

// Reads pictures and fits them to data.height, data.width and data.channels: [N,C,H,W] float32 in
// data.range. Logs what was done to the first. Throws DataError for a file that is no image, and
// ConfigError if data.channels cannot be those of a picture.
torch::Tensor read_pictures(std::span<const std::filesystem::path> paths, const DataConfig& data);

// Which pixels of such a picture are kept, [1,1,H,W] bool. The mask is fitted as the picture is, so
// its parts stay in place. Where it is white, from half grey on, new pixels are drawn; black and
// transparent parts are kept. Throws ConfigError if the two files are not of one size, or if the
// mask leaves nothing to draw.
torch::Tensor read_kept_pixels(const std::filesystem::path& mask,
                               const std::filesystem::path& picture, const DataConfig& data);

}  // namespace ddpm
