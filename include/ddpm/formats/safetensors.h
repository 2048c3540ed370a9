// The safetensors format (https://github.com/huggingface/safetensors), at byte level: 8 bytes
// little-endian header length, a JSON header {name: {dtype, shape, data_offsets}, "__metadata__":
// {string: string}}, the data.
//
// The reader is stricter than the official Rust validator: it also refuses duplicate and unknown
// keys. It checks everything before it returns any tensor. No code runs, and no memory is allocated
// by sizes that the file claims.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ddpm/base/file.h"

namespace ddpm {

enum class DType { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool };

// The size of an element in bytes, and the name of the type in the file: "F32", "BOOL", ...
std::size_t dtype_size(DType dtype) noexcept;
std::string_view dtype_name(DType dtype) noexcept;

// One tensor: row-major, little-endian, contiguous. It does not own the bytes.
struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;  // empty: a scalar; sizes >= 0
  std::span<const std::byte> bytes;
};

// The elements as float64; empty for types other than floating-point numbers and integers
// of 32 and 64 bits. The bytes need not be aligned. Integers beyond 2^53 are rounded.
std::vector<double> values_of(const TensorView& tensor);

using SafetensorsMetadata = std::map<std::string, std::string>;

// A validated, memory-mapped file. Views stay valid as long as this object, or the one that it was
// moved to, lives.
class SafetensorsFile {
 public:
  // Throws CheckpointError "<path>: [tensor '<name>': ]<reason>" for missing, unreadable or invalid
  // files.
  explicit SafetensorsFile(const std::filesystem::path& path);

  // Every tensor, in the order of their bytes in the file.
  const std::vector<TensorView>& tensors() const noexcept { return tensors_; }
  // The tensor with that name, or null.
  const TensorView* find(std::string_view name) const noexcept;
  // The same, but throws CheckpointError, naming file and tensor, if it is missing.
  const TensorView& get(std::string_view name) const;
  const SafetensorsMetadata& metadata() const noexcept { return metadata_; }
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
  MappedFile file_;
  std::vector<TensorView> tensors_;
  std::map<std::string, std::size_t, std::less<>> index_;  // name -> position in tensors_
  SafetensorsMetadata metadata_;
};

// Writes the file atomically. Tensors are ordered by descending element size, then by name, as the
// official writer does: each is aligned to its element, and the bytes do not depend on the order of
// `tensors`. The data start at a multiple of 8. Throws IoError; throws CheckpointError if names
// repeat or are "__metadata__", or if bytes do not match shape and dtype.
void write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                       const SafetensorsMetadata& metadata = {});

}  // namespace ddpm
