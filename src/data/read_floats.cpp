#include "read_floats.h"

#include <cstring>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"

namespace ddpm {
namespace {

torch::Dtype dtype_of(const TensorView& tensor, const std::filesystem::path& path) {
  if (tensor.dtype == DType::kF32) return torch::kFloat32;
  if (tensor.dtype == DType::kF16) return torch::kFloat16;
  if (tensor.dtype == DType::kBF16) return torch::kBFloat16;
  throw DataError(format_text("{}: '{}' is {}; it must be F32, F16 or BF16", path.string(),
                              tensor.name, dtype_name(tensor.dtype)));
}

}  // namespace

TensorSet open_tensors(const std::filesystem::path& path, const char* key) {
  try {
    return read_safetensors(path);
  } catch (const CheckpointError& error) {
    throw DataError(format_text("{}: {}", key, error.what()));
  }
}

torch::Tensor read_floats(const TensorView& tensor, std::span<const std::byte> bytes,
                          const std::filesystem::path& path) {
  const torch::Dtype dtype = dtype_of(tensor, path);
  const auto count = static_cast<std::int64_t>(bytes.size() / torch::elementSize(dtype));
  const torch::Tensor stored = torch::empty({count}, dtype);
  std::memcpy(stored.data_ptr(), bytes.data(), bytes.size());
  return stored.to(torch::kFloat32);
}

}  // namespace ddpm
