#include "ddpm/formats/npy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

#include "ddpm/base/bytes.h"
#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/formats/zip.h"

namespace ddpm {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::string_view kMagic = "\x93NUMPY";

[[noreturn]] void fail(const std::string& name, const std::string& reason) {
  throw DataError(name + ": " + reason);
}

bool starts_like_npy(Bytes bytes) {
  return bytes.size() >= 10 &&
         std::string_view(reinterpret_cast<const char*>(bytes.data()), kMagic.size()) == kMagic;
}

// The text after "'key':" in the header, a Python dictionary.
std::string_view value_of(std::string_view header, std::string_view key) {
  const std::size_t at = header.find("'" + std::string(key) + "':");
  if (at == std::string_view::npos) return {};
  header.remove_prefix(at + key.size() + 3);
  header.remove_prefix(std::min(header.size(), header.find_first_not_of(' ')));
  return header;
}

// "(60000, 28, 28)" -> the numbers; nothing if that is not a shape, or of too many elements.
std::optional<std::vector<std::int64_t>> parse_shape(std::string_view text) {
  if (!text.starts_with('(')) return std::nullopt;
  text = text.substr(1, text.find(')') - 1);
  std::vector<std::int64_t> shape;
  std::int64_t count = 1;
  while (text.find_first_not_of(", ") != std::string_view::npos) {
    text.remove_prefix(text.find_first_not_of(", "));
    std::int64_t size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    if (error != std::errc() || size < 0 || shape.size() == 32) return std::nullopt;
    if (size > 0 && count > std::numeric_limits<std::int64_t>::max() / 8 / size)
      return std::nullopt;
    count *= size;
    shape.push_back(size);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  }
  return shape;
}

// Bytes of an element of the types that are read; 0 for others.
std::size_t element_size(const std::string& type) {
  static constexpr std::string_view kKinds = "uib?f";
  if (type.size() != 3 || (type[0] != '<' && type[0] != '|')) return 0;
  if (kKinds.find(type[1]) == std::string_view::npos) return 0;
  const int size = type[2] - '0';
  return size == 1 || size == 2 || size == 4 || size == 8 ? static_cast<std::size_t>(size) : 0;
}

// Elements in the order of Fortran, where the first index runs fastest, in that of C.
std::vector<std::byte> transposed(Bytes bytes, const std::vector<std::int64_t>& shape,
                                  std::size_t element) {
  std::vector<std::size_t> strides(shape.size(), element);  // of the result
  for (std::size_t i = shape.size(); i-- > 1;)
    strides[i - 1] = strides[i] * static_cast<std::size_t>(shape[i]);
  std::vector<std::byte> result(bytes.size());
  std::vector<std::int64_t> index(shape.size());
  std::size_t to = 0;
  for (std::size_t from = 0; from < bytes.size(); from += element) {
    std::copy_n(bytes.data() + from, element, result.data() + to);
    for (std::size_t i = 0; i < shape.size(); ++i) {
      to += strides[i];
      if (++index[i] < shape[i]) break;
      to -= strides[i] * static_cast<std::size_t>(shape[i]);
      index[i] = 0;
    }
  }
  return result;
}

// One .npy file.
NumpyArray parse_npy(Bytes bytes, const std::string& name) {
  if (!starts_like_npy(bytes)) fail(name, "not a file of NumPy");
  const bool short_header = bytes[6] == std::byte{1};
  const std::size_t begin = short_header ? 10 : 12;
  if (bytes.size() < begin) fail(name, "truncated");
  const std::uint64_t length = load_little_endian(bytes.subspan(8, begin - 8));
  if (length > bytes.size() - begin) fail(name, "truncated");
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + begin, length);
  NumpyArray array;
  std::string_view type = value_of(header, "descr");
  if (type.starts_with('\'')) array.type = type.substr(1, type.find('\'', 1) - 1);
  auto shape = parse_shape(value_of(header, "shape"));
  if (!shape) fail(name, "damaged header");
  array.shape = std::move(*shape);
  const std::size_t size = element_size(array.type);
  if (size == 0) return array;
  const Bytes content = bytes.subspan(begin + length);
  const std::uint64_t needed = static_cast<std::uint64_t>(array.count()) * size;
  if (content.size() < needed) fail(name, "truncated");
  array.bytes = content.first(needed);
  if (value_of(header, "fortran_order").starts_with("True")) {
    array.memory =
        std::make_shared<const std::vector<std::byte>>(transposed(array.bytes, array.shape, size));
    array.bytes = *array.memory;
  }
  return array;
}

// The arrays of an .npz file.
std::vector<NumpyArray> read_members(Bytes file, const std::string& name) {
  std::vector<NumpyArray> arrays;
  for (const ZipMember& member : read_zip(file, ZipMethods::kStoredAndDeflate)) {
    if (!member.name.ends_with(".npy")) continue;
    std::shared_ptr<const std::vector<std::byte>> memory;
    if (member.compressed)
      memory = std::make_shared<const std::vector<std::byte>>(member.unpack());
    else
      member.verify();
    NumpyArray& array = arrays.emplace_back(
        parse_npy(memory ? Bytes(*memory) : member.bytes, name + ": " + member.name));
    array.name = member.name.substr(0, member.name.size() - 4);
    if (!array.memory) array.memory = std::move(memory);
  }
  return arrays;
}

}  // namespace

std::int64_t NumpyArray::count() const {
  std::int64_t product = 1;
  for (const std::int64_t size : shape) product *= size;
  return product;
}

std::vector<NumpyArray> read_numpy(Bytes file, const std::string& name) {
  if (starts_like_npy(file)) return {parse_npy(file, name)};
  if (!looks_like_zip(file)) fail(name, "not a file of NumPy (.npy or .npz)");
  return read_as_data([&] { return read_members(file, name); }, name + ": ");
}

NumpyArray read_npy(Bytes file, const std::string& name) {
  if (!starts_like_npy(file)) fail(name, "not a file of NumPy (.npy)");
  return parse_npy(file, name);
}

std::string npy_header(const std::string& type, std::span<const std::int64_t> shape) {
  std::string sizes;
  for (const std::int64_t size : shape) sizes += std::to_string(size) + ",";
  std::string dictionary =
      format_text("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", type, sizes);
  constexpr std::size_t kPrefix = 10;
  dictionary.append((64 - (kPrefix + dictionary.size() + 1) % 64) % 64, ' ');
  dictionary += '\n';
  std::string header(kMagic);
  header += std::string("\x01\x00", 2);
  append_little_endian(header, dictionary.size(), 2);
  return header + dictionary;
}

std::vector<std::int64_t> integers_of(const NumpyArray& array) {
  const std::size_t size = element_size(array.type);
  const bool is_float = array.type.size() == 3 && array.type[1] == 'f';
  if (size == 0 || is_float || array.bytes.empty() != (array.count() == 0))
    throw DataError(format_text("array '{}' of type '{}' has no integers that can be read",
                                array.name, array.type));
  std::vector<std::int64_t> values;
  values.reserve(static_cast<std::size_t>(array.count()));
  for (std::size_t i = 0; i < array.bytes.size(); i += size) {
    std::uint64_t value = load_little_endian(array.bytes.subspan(i, size));
    if (array.type[1] == 'i' && size < 8 && value >> (8 * size - 1) != 0)
      value |= ~std::uint64_t{0} << 8 * size;
    if (array.type[1] == 'u' && value >> 63 != 0)
      throw DataError(
          format_text("array '{}' has the number {}, which is too large", array.name, value));
    values.push_back(std::bit_cast<std::int64_t>(value));
  }
  return values;
}

}  // namespace ddpm
