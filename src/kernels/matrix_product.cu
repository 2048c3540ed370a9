#include "ddpm/kernels/matrix_product.h"

#include <cublasLt.h>

#include <memory>

#include "device.cuh"

namespace ddpm::kernels {
namespace {

constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;  // recommended by cuBLAS for Hopper

void check(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw std::runtime_error(std::string("matrix_product: ") + what + ": " +
                             cublasLtGetStatusString(status));
}

cublasLtHandle_t handle() {
  static std::array<cublasLtHandle_t, kMaxDevices> handles = {};
  static std::array<std::once_flag, kMaxDevices> once;
  const int device = current_device();
  std::call_once(once[device], [device] { check(cublasLtCreate(&handles[device]), "create"); });
  return handles[device];
}

template <class T, cublasStatus_t (*destroy)(T*)>
struct Destroy {
  void operator()(T* object) const { destroy(object); }
};
using Description = std::unique_ptr<cublasLtMatmulDescOpaque_t,
                                    Destroy<cublasLtMatmulDescOpaque_t, cublasLtMatmulDescDestroy>>;
using Layout = std::unique_ptr<cublasLtMatrixLayoutOpaque_t,
                               Destroy<cublasLtMatrixLayoutOpaque_t, cublasLtMatrixLayoutDestroy>>;
using Preference =
    std::unique_ptr<cublasLtMatmulPreferenceOpaque_t,
                    Destroy<cublasLtMatmulPreferenceOpaque_t, cublasLtMatmulPreferenceDestroy>>;

cudaDataType_t data_type(Type type) { return type == Type::kBFloat16 ? CUDA_R_16BF : CUDA_R_32F; }

template <class Value>
void set(const Description& description, cublasLtMatmulDescAttributes_t attribute,
         const Value& value) {
  check(cublasLtMatmulDescSetAttribute(description.get(), attribute, &value, sizeof(value)),
        "description");
}

template <class Value>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t attribute,
         const Value& value) {
  check(cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof(value)),
        "preference");
}

Description describe(const MatrixProduct& p) {
  const cublasComputeType_t compute =
      p.tf32 && p.type == Type::kFloat32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  cublasLtMatmulDesc_t created = nullptr;
  check(cublasLtMatmulDescCreate(&created, compute, CUDA_R_32F), "description");
  Description description(created);
  set(description, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
  if (p.bias != nullptr) {
    set(description, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
    set(description, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, data_type(p.out_type));
  }
  return description;
}

Layout layout(Type type, std::int64_t rows, std::int64_t columns, std::int64_t stride) {
  cublasLtMatrixLayout_t created = nullptr;
  check(cublasLtMatrixLayoutCreate(&created, data_type(type), static_cast<std::uint64_t>(rows),
                                   static_cast<std::uint64_t>(columns), stride),
        "layout");
  return Layout(created);
}

// The largest power of two up to 256 that divides the address.
std::uint32_t alignment_of(const void* pointer) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer) | 256u;
  return static_cast<std::uint32_t>(address & (~address + 1));
}

Preference prefer(const MatrixProduct& p) {
  cublasLtMatmulPreference_t created = nullptr;
  check(cublasLtMatmulPreferenceCreate(&created), "preference");
  Preference preference(created);
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(p.b));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(p.a));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
      alignment_of(p.added != nullptr ? p.added : p.out));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_of(p.out));
  return preference;
}

}  // namespace

std::int64_t matrix_product_workspace() { return static_cast<std::int64_t>(kWorkspaceBytes); }

// cuBLASLt expects column-major matrices, so it sees every matrix transposed:
// out^T [n,m] = b a^T + ..., with b^T [k,n] and a^T [k,m] in memory.
void matrix_product(const MatrixProduct& p, Stream stream) {
  const Description description = describe(p);
  const Layout b = layout(p.type, p.k, p.n, p.b_stride), a = layout(p.type, p.k, p.m, p.a_stride);
  const Layout out = layout(p.out_type, p.n, p.m, p.out_stride);
  const Preference preference = prefer(p);
  cublasLtMatmulHeuristicResult_t best = {};
  int found = 0;
  check(cublasLtMatmulAlgoGetHeuristic(handle(), description.get(), b.get(), a.get(), out.get(),
                                       out.get(), preference.get(), 1, &best, &found),
        "choice of an algorithm");
  if (found == 0) throw std::runtime_error("matrix_product: no algorithm for this product");
  const float alpha = 1.0f, beta = p.added != nullptr ? 1.0f : 0.0f;
  const void* const added = p.added != nullptr ? p.added : p.out;
  check(
      cublasLtMatmul(handle(), description.get(), &alpha, p.b, b.get(), p.a, a.get(), &beta, added,
                     out.get(), p.out, out.get(), &best.algo, p.workspace, kWorkspaceBytes, stream),
      "launch");
}

}  // namespace ddpm::kernels
