// The machine this runs on.
#pragma once

#include <filesystem>
#include <string>

namespace ddpm {

// The machine's name in the network; "localhost" if it is unknown.
std::string host_name();

// Whether the environment has this variable and it is not empty.
bool is_set(const char* variable);

// For the end of a message that a path does not exist: if it starts with ~ or ~USER, which only the
// shell replaces, what was probably meant; begins with ": ". Otherwise empty.
std::string home_advice(const std::filesystem::path& path);

}  // namespace ddpm
