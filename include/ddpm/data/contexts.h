// The contexts of a data set: tokens, such as those of a caption, that a network with transformers
// attends to. docs/formats/contexts.md describes the file.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "ddpm/data/image_store.h"
#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// A mapped file. Rows are read when they are asked for, so it may be larger than the memory.
class Contexts {
 public:
  // Throws DataError "<path>: ..." unless the file has a tensor `contexts` [rows,tokens,width] of
  // floating-point numbers and, if at all, `empty` [tokens,width] and `rows` [images] int64.
  Contexts(const std::filesystem::path& path, std::int64_t width);

  std::int64_t count() const { return count_; }

  // The contexts of these rows, [rows.size(),tokens,width] float32 on the CPU. Row -1 is the empty
  // context: that of the file, or zeros.
  torch::Tensor read(std::span<const std::int64_t> rows) const;

  // The row of every image: by the tensor `rows`; else row i is for image i; else, if there are
  // fewer rows than images, row i is for class i. Throws DataError if they do not fit the images.
  std::vector<std::int64_t> rows_of(const ImageStore& images) const;

 private:
  TensorSet file_;
  std::int64_t count_ = 0;
  torch::Tensor empty_;  // [tokens,width]
};

}  // namespace ddpm
