// The message for a key that does not exist. Internal to config.
#pragma once

#include <string>
#include <string_view>

namespace ddpm {

// "unknown key 'training.bach_size'; did you mean 'training.batch_size'?" `path` may be a section,
// a dotted path or a bare name.
std::string unknown_key_text(std::string_view path);

}  // namespace ddpm
