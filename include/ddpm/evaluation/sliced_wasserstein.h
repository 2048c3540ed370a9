// A distance of two sets of images that needs no trained network: how differently small patches of
// them are distributed, on each level of a Laplacian pyramid. Karras et al., "Progressive Growing of
// GANs for Improved Quality, Stability, and Variation", section 5.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace ddpm {

// The patches of 7x7 pixels of a set of images, on the CPU.
struct PyramidPatches {
  std::vector<std::int64_t> sides;     // the shorter side of each level, from the images' own on
  std::vector<torch::Tensor> patches;  // of each level: float32 [P,C,7,7]
};

// Collects patches at random places, which depend only on the number of an image.
class PatchCollector {
 public:
  // `images`: how many will come. Each gives 128 patches a level, or fewer if these are more than
  // 2^18 in all.
  explicit PatchCollector(std::int64_t images);

  // pixels: uint8 [N,C,H,W], all of one size, on any device; sides of at least 8 pixels, else throws
  // DataError. Levels go on while the shorter side is at least 16. `first` is the number of the first
  // image.
  void add(const torch::Tensor& pixels, std::int64_t first);

  PyramidPatches finish() const;

 private:
  std::int64_t patches_;  // of an image
  std::vector<std::int64_t> sides_;
  std::vector<std::vector<torch::Tensor>> levels_;
};

// The distance of each level, times 1000: patches are normalised by mean and standard deviation of
// each channel of their set, and projected to 512 random directions; it is the mean distance of the
// sorted projections. The larger set is cut to the size of the smaller one. Both sets must have the
// same levels and channels, else throws DataError.
std::vector<double> sliced_wasserstein(const PyramidPatches& a, const PyramidPatches& b);

}  // namespace ddpm
