// The types of elements (ddpm/formats/safetensors.h).
#include "dtypes.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace ddpm {
namespace {

struct DTypeEntry {
  DType dtype;
  std::string_view name;
  std::size_t size;
};
// In the order of the enum.
constexpr std::array<DTypeEntry, 10> kDTypes = {{{DType::kF64, "F64", 8},
                                                 {DType::kF32, "F32", 4},
                                                 {DType::kF16, "F16", 2},
                                                 {DType::kBF16, "BF16", 2},
                                                 {DType::kI64, "I64", 8},
                                                 {DType::kI32, "I32", 4},
                                                 {DType::kI16, "I16", 2},
                                                 {DType::kI8, "I8", 1},
                                                 {DType::kU8, "U8", 1},
                                                 {DType::kBool, "BOOL", 1}}};

// IEEE 754's half precision: 1 bit for the sign, 5 for the exponent, 10 for the fraction.
double half_to_double(std::uint16_t bits) {
  const double sign = (bits & 0x8000U) != 0 ? -1 : 1;
  const int exponent = bits >> 10U & 0x1FU;
  const double fraction = bits & 0x3FFU;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  if (exponent == 31)
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::quiet_NaN();
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

double bfloat16_to_double(std::uint16_t bits) {
  return static_cast<double>(std::bit_cast<float>(std::uint32_t{bits} << 16U));
}

// Reads elements of type T and converts them.
template <class T, class Convert>
std::vector<double> convert_all(std::span<const std::byte> bytes, const Convert& convert) {
  std::vector<double> values;
  values.reserve(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i + sizeof(T) <= bytes.size(); i += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + i, sizeof(T));
    values.push_back(convert(value));
  }
  return values;
}

}  // namespace

std::size_t dtype_size(DType dtype) noexcept {
  return kDTypes[static_cast<std::size_t>(dtype)].size;
}

std::string_view dtype_name(DType dtype) noexcept {
  return kDTypes[static_cast<std::size_t>(dtype)].name;
}

std::optional<DType> parse_dtype(std::string_view name) noexcept {
  for (const DTypeEntry& entry : kDTypes)
    if (entry.name == name) return entry.dtype;
  return std::nullopt;
}

std::vector<double> values_of(const TensorView& tensor) {
  const auto as_it_is = [](auto value) { return static_cast<double>(value); };
  switch (tensor.dtype) {
    case DType::kF64:
      return convert_all<double>(tensor.bytes, as_it_is);
    case DType::kF32:
      return convert_all<float>(tensor.bytes, as_it_is);
    case DType::kF16:
      return convert_all<std::uint16_t>(tensor.bytes, half_to_double);
    case DType::kBF16:
      return convert_all<std::uint16_t>(tensor.bytes, bfloat16_to_double);
    case DType::kI64:
      return convert_all<std::int64_t>(tensor.bytes, as_it_is);
    case DType::kI32:
      return convert_all<std::int32_t>(tensor.bytes, as_it_is);
    case DType::kI16:
    case DType::kI8:
    case DType::kU8:
    case DType::kBool:
      return {};
  }
  return {};
}

}  // namespace ddpm
