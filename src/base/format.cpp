#include "ddpm/base/format.h"

#include <spdlog/fmt/fmt.h>

#if defined(SPDLOG_FMT_EXTERNAL)
#include <fmt/args.h>
#else
#include <spdlog/fmt/bundled/args.h>
#endif

namespace ddpm {

std::string vformat_text(std::string_view pattern, std::span<const FormatArgument> arguments) {
  fmt::dynamic_format_arg_store<fmt::format_context> store;
  for (const FormatArgument& argument : arguments)
    std::visit([&](const auto& value) { store.push_back(value); }, argument.value());
  return fmt::vformat(fmt::string_view(pattern.data(), pattern.size()), store);
}

}  // namespace ddpm
