// Classes as people write them on the command line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ddpm/config/config.h"

namespace ddpm::cli {

// The number of the class that `text` names: by its name as `ddpm inspect` shows it, by that of its
// folder, which may hold characters that are not shown, or by its number. A name wins, because people
// who call their folders 1, 2, 10 mean the folder. `none` is the null class, if the network has one.
// `option` is for messages. Throws ConfigError, which says what is possible.
std::int64_t class_number(const std::string& option, const std::string& text, const Config& config);

// The numbers of several: one class, `all`, or a list with commas. Here too a name wins, so names with
// commas can be given alone, and in a list by their numbers.
std::vector<std::int64_t> class_numbers(const std::string& option, const std::string& text,
                                        const Config& config);

}  // namespace ddpm::cli
