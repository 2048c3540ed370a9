// Words and tables of the text that `ddpm inspect --receptive-field` prints.
#pragma once

#include <string>

#include "json_text.h"

namespace ddpm::cli {

// The words for one network's inputs and outputs.
struct Units {
  std::string input, output, period;  // "frame", "sample", "256 samples"
};

// A number of the JSON: a whole one with separators, another one with up to ten digits.
std::string number(const Json& value);
// "3 frames".
std::string many(const Json& count, const std::string& unit);
// "26 to 27", or one number if they are equal.
std::string range(const Json& least, const Json& most);

// What each phase sees, and what happens in each layer, of one axis.
std::string receptive_field_tables(const Json& axis, const Units& units);

}  // namespace ddpm::cli
