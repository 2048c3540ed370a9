#pragma once

#include <string>
#include <vector>

#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// Two tensors of one name and shape. d = |a - b|; for equal values and for two NaNs d is 0.
struct TensorDifference {
  std::string name;
  double largest = 0;        // the largest d; infinite if only one of two values is finite
  double relative = 0;       // `largest` divided by the largest finite |a|, or by 1 if that is 0
  std::int64_t unequal = 0;  // elements whose d is not 0
};

// Two tensors of one name whose shapes differ, so that they cannot be compared.
struct ShapeDifference {
  std::string name;
  std::vector<std::int64_t> a, b;
};

struct SetDifference {
  std::vector<std::string> only_in_a, only_in_b;
  std::vector<ShapeDifference> shapes;
  std::vector<TensorDifference> values;  // tensors that differ, largest relative difference first
  std::int64_t equal = 0;  // tensors with the same shape and values, whatever the type
};

// Compares tensors by name, in float64. Throws CheckpointError for types that LibTorch lacks.
SetDifference compare_tensors(const TensorSet& a, const TensorSet& b);

}  // namespace ddpm
