// One config text as a list of assignments, each with its line. Internal to config.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ddpm/config/fields.h"

namespace ddpm {

struct Assignment {
  const Field* field;
  FieldValue value;  // within the field's limits
  int line;          // of the key; the first line is 1
};

struct Extended {
  std::string file;  // as written
  int line;
};

struct ParsedConfig {
  std::vector<Extended> extends;
  std::vector<Assignment> assignments;
};

// Throws ConfigError beginning with "ORIGIN:LINE: " for bad JSON, unknown and repeated keys, and
// values that their field does not allow.
ParsedConfig parse_config(std::string_view text, const std::string& origin);

// Reads a value from an option of the command line. Throws ConfigError beginning with "ORIGIN: ".
FieldValue parse_option_value(const Field& field, const std::string& text,
                              const std::string& origin);

}  // namespace ddpm
