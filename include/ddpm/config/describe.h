// Texts made from the field table: the output of `ddpm config`, and docs/config.md.
#pragma once

#include <string>
#include <vector>

#include "ddpm/config/loader.h"

namespace ddpm {

// The resolved config as JSON that load_config can read again. `with_origins` adds a comment to
// each value that says where it came from.
std::string config_show(const ResolvedConfig& resolved, bool with_origins);

// The same for programs, as one JSON object: {"training.batch_size": {"value": 64, "default": 128,
// "origin": "--set"}, ...}.
std::string config_show_json(const ResolvedConfig& resolved);

// A line for each key: path, type, default, range, help.
std::string config_keys_text();

// JSON Schema (draft 2020-12) of config files, for editors.
std::string config_schema();

// docs/config.md.
std::string config_markdown();

// A line for each key with its value, for the start of a log. The default is added where the value
// differs from it.
std::vector<std::string> settings_table(const Config& config);

// Only the lines of keys whose values differ from their defaults.
std::vector<std::string> changed_settings(const Config& config);

}  // namespace ddpm
