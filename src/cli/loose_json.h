// Looks at a file of a user to find out what it is.
#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

namespace ddpm::cli {

using Document = nlohmann::json;

// Whether the file begins like JSON, perhaps with comments, or is called so. Other files of models are
// not text.
bool is_json_text(const std::filesystem::path& file);

// The text of a JSON file. Throws ConfigError if it is missing or too large.
std::string read_json_text(const std::filesystem::path& file);

// The document, or a discarded value if it is not JSON or nested too deeply for any config.
Document parse_loosely(const std::string& text);

}  // namespace ddpm::cli
