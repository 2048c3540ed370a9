// Makes a Config from JSON files and command-line options, and writes it as JSON.
//
// Files are nested JSON with // and /* */ comments. "extends" names one file or a list of files,
// relative to the file that says it. A later file overrides an earlier one, the extending file
// overrides them all, and options override every file. A file or a command line that sets data.path
// and not data.source replaces the embedded source, and folder if the path is a file, by the one
// that reads this path. A mistake is a ConfigError that names the file and line (or the option),
// the key's path, the value, and what would be right.
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

// One key that an option of the command line changes.
struct ConfigOverride {
  std::string path;    // "training.batch_size"
  std::string value;   // JSON; a string without its quotes, a list without its brackets: 1,2,2
  std::string origin;  // the option, for messages: "--set", "--steps"
};

// The first override of a key that begins with `prefix`; null if there is none.
const ConfigOverride* find_override(std::span<const ConfigOverride> overrides,
                                    std::string_view prefix);

// Where each value came from, by path: "default", "configs/digits.json:12", "--set".
using Origins = std::map<std::string, std::string>;

struct ResolvedConfig {
  Config config;
  Origins origins;  // of every key
};

// Reads "training.batch_size=64", the value of a --set. Throws ConfigError if there is no '='.
ConfigOverride parse_set_option(std::string_view text);

// Starts with the defaults, applies `file` (if any) with the files that it extends, then the
// overrides in their order. The result is valid (validate.h). Throws ConfigError, also for files
// that are missing, unreadable or over 1 MiB, and for files that extend each other in a circle.
ResolvedConfig load_config(const std::optional<std::filesystem::path>& file,
                           std::span<const ConfigOverride> overrides);

// What keys mean that a text does not have: their defaults, or in a saved copy of a whole config
// what the program did before it had them (Field::before).
enum class MissingKeys { kDefault, kBefore };

// The config in `text`, such as a saved copy. `origin` names the text in messages. Throws
// ConfigError as load_config does, and for "extends", because a text has no folder in which other
// files could be found.
Config config_from_json_text(std::string_view text, const std::string& origin,
                             MissingKeys missing = MissingKeys::kDefault);

// Applies the overrides and records their origins. Each value is checked alone; validate() checks
// them together, once the config is complete. Throws ConfigError.
void override_values(ResolvedConfig& resolved, std::span<const ConfigOverride> overrides);

// The same for a config whose origins nobody asks for.
Config apply_overrides(Config config, std::span<const ConfigOverride> overrides);

// The config with which a run goes on: the keys that a run keeps (OnResume::kKept) have the values
// of `saved`, unless their origin says that the user set them.
Config keep_values(const ResolvedConfig& now, const Config& saved);

// A line for each key with its value, in the order of the field table. load_config reads it back
// unchanged.
std::string to_json(const Config& config);

}  // namespace ddpm
