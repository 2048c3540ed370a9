#include "ddpm/base/choice.h"

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"

namespace ddpm {

void refuse_choice(std::string_view option, std::string_view name,
                   std::span<const std::string_view> known) {
  throw ConfigError(
      format_text("{}: unknown '{}'; choose from {}", option, name, join_names(known)));
}

}  // namespace ddpm
