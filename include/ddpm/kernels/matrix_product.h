// Matrix products that add to what is there, by cuBLASLt: LibTorch's own write a sum and a bias in
// passes of their own.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// out = a b^T + added + bias, rounded once. Rows are dense and `..._stride` elements apart.
struct MatrixProduct {
  std::int64_t m = 0, n = 0, k = 0;
  const void* a = nullptr;  // [m,k]
  std::int64_t a_stride = 0;
  const void* b = nullptr;  // [n,k]
  std::int64_t b_stride = 0;
  const void* added = nullptr;  // [m,n] or null; may be out
  const void* bias = nullptr;   // [n] or null
  void* out = nullptr;          // [m,n]
  std::int64_t out_stride = 0;  // of added, too
  Type type = Type::kBFloat16;
  Type out_type = Type::kBFloat16;  // of added and bias, too
  bool tf32 = false;                // lets float32 products round their factors to TF32
  void* workspace = nullptr;        // matrix_product_workspace() bytes, 256-byte aligned
};

// Bytes of workspace that any product can use.
std::int64_t matrix_product_workspace();

// Throws std::runtime_error if cuBLASLt has no way to do it.
void matrix_product(const MatrixProduct& product, Stream stream);

}  // namespace ddpm::kernels
