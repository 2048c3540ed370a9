// Texts generated from the field table: what `ddpm config` prints, and docs/config.md.
#pragma once

#include <string>
#include <vector>

#include "ddpm/config/loader.h"

namespace ddpm {

// The resolved config as JSON that load_config accepts back; `with_origins` adds where each value
// came from as comments.
std::string config_show(const ResolvedConfig& resolved, bool with_origins);

// The same for programs: one JSON object, {"training.batch_size": {"value": 64, "default": 128,
// "origin": "--set"}, ...}.
std::string config_show_json(const ResolvedConfig& resolved);

// One line a key: path, type, default, range, help.
std::string config_keys_text();

// JSON Schema (draft 2020-12) of config files, for editors.
std::string config_schema();

// docs/config.md.
std::string config_markdown();

// Every key with its value, aligned, one a line, for the start of a log; says the default where the
// value is another.
std::vector<std::string> settings_table(const Config& config);

}  // namespace ddpm
