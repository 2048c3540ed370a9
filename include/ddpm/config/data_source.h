// What the names and first bytes of data sets tell before anything is read.
#pragma once

#include <filesystem>

#include "ddpm/config/config.h"

namespace ddpm {

// The training images in a folder, by the file names of MNIST and similar data sets; empty if there
// are none.
std::filesystem::path find_idx_images(const std::filesystem::path& folder);

// The source of data that reads `path`, never the embedded one: by the names that a folder holds,
// by the first bytes of a file, or where these say nothing (gzip, no such file) by its name. A
// folder without MNIST's or CIFAR-10's files, and a file of neither kind, is one for images, whose
// reader says what is wrong with it. Throws nothing.
DataSource source_of_path(const std::filesystem::path& path);

// The source after a new `path` was named without a source. It is that from `before`, unless that
// one can read nothing there: the embedded pictures have no path, and a file is not a folder.
DataSource source_for_path(DataSource before, const std::filesystem::path& path);

// The settings `data` for the images at another path.
DataConfig data_at(const std::filesystem::path& path, DataConfig data);

}  // namespace ddpm
