// Mistakes on the command line for which CLI11 has no good message.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace ddpm::cli {

// The message for the first of these mistakes in the words behind the program's name; empty if
// there is none, which does not mean that CLI11 finds none.
// - a word that is no command where one must stand ("trian", "config shwo")
// - an option that the command does not have ("--stesp")
// - an option without its value, where the next option would be taken for it ("--resume --config")
std::string usage_mistake(const CLI::App& program, const std::vector<std::string>& words);

}  // namespace ddpm::cli
