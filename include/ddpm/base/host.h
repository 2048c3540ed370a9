// The machine this runs on.
#pragma once

#include <string>

namespace ddpm {

// The machine's name in the network; "localhost" if it is unknown.
std::string host_name();

}  // namespace ddpm
