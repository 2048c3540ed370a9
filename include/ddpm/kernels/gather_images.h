// Makes batches of training images from a store of uint8 images in device memory.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// The store is [count,stored_height,stored_width,channels]; a batch holds a window [height,width]
// of each of its images.
struct BatchShape {
  std::int64_t count = 0;
  std::int64_t stored_height = 0;
  std::int64_t stored_width = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
};

struct BatchOptions {
  std::uint64_t seed = 0;
  bool horizontal_flip = false;  // mirror each image with probability 1/2
  bool random_crop = false;      // the window is at a random place, else in the centre
  bool symmetric = true;         // values in [-1,1], else in [0,1]
};

// Fills out [n,height,width,channels] float32. Image i is the training image at position
// first_position[0] + i (device memory, < 2^40). The results equal those of data/batch.h bit for
// bit.
void gather_images(const std::uint8_t* store, float* out, const BatchShape& shape,
                   const BatchOptions& options, const std::int64_t* first_position, std::int64_t n,
                   Stream stream);

}  // namespace ddpm::kernels
