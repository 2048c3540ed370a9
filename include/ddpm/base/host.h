// The machine this runs on.
#pragma once

#include <string>

namespace ddpm {

// Its name in the network; "localhost" if it cannot be told.
std::string host_name();

}  // namespace ddpm
