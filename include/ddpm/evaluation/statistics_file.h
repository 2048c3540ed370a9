// The files of pytorch-fid and clean-fid with the mean and covariance of features.
#pragma once

#include <filesystem>

#include "ddpm/evaluation/distances.h"

namespace ddpm {

// Reads `mu` [D] and `sigma` [D,D] of an .npz file. The number of images is not known. Throws
// DataError for a file without them, other shapes, values that are not finite, and a matrix that is
// not symmetric.
FeatureStatistics read_statistics(const std::filesystem::path& path);

// Writes such a file, in float64. Throws IoError.
void write_statistics(const std::filesystem::path& path, const FeatureStatistics& statistics);

}  // namespace ddpm
