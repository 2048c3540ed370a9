// From JSON files and command-line options to a Config, and back.
//
// Files are nested JSON with // and /* */ comments. "extends" names one file or a list of files,
// relative to the file that says it; a later file overrides an earlier one, the file itself comes
// last. Overrides follow. Whatever is wrong is a ConfigError that names the file and line (or the
// option), the key's path, the value, and what would be right.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ddpm/config/config.h"

namespace ddpm {

// One changed key, from an option of the command line.
struct ConfigOverride {
  std::string path;    // "training.batch_size"
  std::string value;   // JSON, or the bare text of a string; a list also without brackets: 1,2,2
  std::string origin;  // the option, for messages: "--set", "--steps"
};

// Where each value came from, by path: "default", "configs/digits.json:12", "--set".
using Origins = std::map<std::string, std::string>;

struct ResolvedConfig {
  Config config;
  Origins origins;  // of every key
};

// "training.batch_size=64" as an override by --set. Throws ConfigError without a '='.
ConfigOverride parse_set_option(std::string_view text);

// Defaults, then `file` (if any) with what it extends, then the overrides in their order. The
// result is valid (validate.h). Throws ConfigError, also for files that are missing,
// unreadable or over 1 MiB, and for files that extend each other in a circle.
ResolvedConfig load_config(const std::optional<std::filesystem::path>& file,
                           std::span<const ConfigOverride> overrides);

// The config in `text`, such as a saved copy; keys that it lacks keep their defaults. `origin`
// names the text in messages. Throws ConfigError as load_config does, and for "extends", which a
// text without a place cannot resolve.
Config config_from_json_text(std::string_view text, const std::string& origin);

// `config` with the overrides. Each value is checked by itself, but not against the others: that is
// validate's task, once the config is complete. Throws ConfigError.
Config apply_overrides(Config config, std::span<const ConfigOverride> overrides);

// Every key with its value, one a line, in the order of the field table; load_config accepts it
// back unchanged.
std::string to_json(const Config& config);

}  // namespace ddpm
