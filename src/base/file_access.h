// What an errno says about a file that was to be read. Internal to base.
#pragma once

#include <filesystem>
#include <string>

namespace ddpm {

// Whether the error says that there is no such file or folder.
bool means_missing(int error) noexcept;

// Throws IoError if the file is missing or a socket or device, else AccessError that says what to do: "cannot open
// 'runs/a/...': Permission denied; ...".
[[noreturn]] void fail_to_access(const std::string& what, const std::filesystem::path& path,
                                 int error);

}  // namespace ddpm
