// Names of the types of elements. Private to formats/; the rest is in ddpm/formats/safetensors.h.
#pragma once

#include <optional>
#include <string_view>

#include "ddpm/formats/safetensors.h"

namespace ddpm {

// The type that safetensors files call so, or nothing.
std::optional<DType> parse_dtype(std::string_view name) noexcept;

}  // namespace ddpm
