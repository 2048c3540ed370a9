// Matrix products that also add a matrix and a bias, by cuBLASLt: LibTorch's own operators need
// separate passes over memory for both.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// out = a b^T + added + bias, rounded once. Rows are dense; `..._stride` is the number of elements
// from one row to the next.
struct MatrixProduct {
  std::int64_t m = 0, n = 0, k = 0;
  const void* a = nullptr;  // [m,k]
  std::int64_t a_stride = 0;
  const void* b = nullptr;  // [n,k]
  std::int64_t b_stride = 0;
  const void* added = nullptr;  // [m,n] or null; may be out
  const void* bias = nullptr;   // [n] or null
  void* out = nullptr;          // [m,n]
  std::int64_t out_stride = 0;  // also that of added
  Type type = Type::kBFloat16;
  Type out_type = Type::kBFloat16;  // also that of added and bias
  bool tf32 = false;                // float32 products may round their factors to TF32
  void* workspace = nullptr;        // matrix_product_workspace() bytes, 256-byte aligned
};

// Bytes of workspace that any product can use.
std::int64_t matrix_product_workspace();

// Throws std::runtime_error if cuBLASLt has no algorithm for the product.
void matrix_product(const MatrixProduct& product, Stream stream);

}  // namespace ddpm::kernels
