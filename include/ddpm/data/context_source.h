// Gives training the contexts of its batches, on the device that computes.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "ddpm/data/contexts.h"

namespace ddpm {

struct ContextRequest {
  std::int64_t count = 0;  // images of a batch
  std::uint64_t seed = 0;
  double dropout = 0;  // probability of the empty context
};

// Reads the contexts of batches into a fixed tensor. Which contexts image i of a batch gets, and
// whether it is the empty one, depends only on (seed, first_position + i), as in data/batch.h.
class ContextSource {
 public:
  // Throws DataError if the contexts do not fit the images, which must outlive this object.
  ContextSource(Contexts contexts, const ImageStore& images, const ContextRequest& request,
                torch::Device device);

  // To be called before the work on batch `first_position`.
  void prepare(std::uint64_t first_position);

  // The contexts of that batch, [count,tokens,width] float32 on the device.
  const torch::Tensor& contexts() const { return batch_; }

 private:
  std::int64_t row_at(std::uint64_t position) const;

  Contexts file_;
  ContextRequest request_;
  std::vector<std::int64_t> rows_;  // of each image of the data set
  torch::Tensor batch_;
};

}  // namespace ddpm
