// The safetensors format (https://github.com/huggingface/safetensors), at byte level: 8 bytes
// little-endian header length, a JSON header {name: {dtype, shape, data_offsets}, "__metadata__":
// {string: string}}, the data.
//
// The reader accepts what the official Rust validator accepts and less: it also refuses duplicate
// and unknown keys. Everything is checked before any tensor can be seen. No code runs, nothing is
// allocated by claimed sizes.
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

// Bytes of one element, and the name in the file: "F32", "BOOL", ...
std::size_t dtype_size(DType dtype) noexcept;
std::string_view dtype_name(DType dtype) noexcept;

// One tensor: row-major, little-endian, contiguous. The bytes belong to someone else.
struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;  // empty: a scalar; sizes >= 0
  std::span<const std::byte> bytes;
};

using SafetensorsMetadata = std::map<std::string, std::string>;

// A validated, memory-mapped file. Views stay valid as long as this object (or what it was moved
// to) lives.
class SafetensorsFile {
 public:
  // Throws CheckpointError "<path>: [tensor '<name>': ]<reason>" for missing, unreadable or invalid
  // files.
  explicit SafetensorsFile(const std::filesystem::path& path);

  // Every tensor, in the order of their bytes in the file.
  const std::vector<TensorView>& tensors() const noexcept { return tensors_; }
  // The tensor of that name or null.
  const TensorView* find(std::string_view name) const noexcept;
  // The same, but a missing one throws CheckpointError that names file and tensor.
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

// Writes atomically (beside `path`, synced, renamed). Tensors are ordered by descending element
// size, then by name, as the official writer does, so each is aligned to its element and equal
// content gives equal bytes whatever the order of `tensors`. The data start at a multiple of 8.
// Throws IoError; CheckpointError if names repeat, are "__metadata__", or bytes do not match shape
// and dtype.
void write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                       const SafetensorsMetadata& metadata = {});

}  // namespace ddpm
