// The control groups of this process, as the files below /proc and /sys/fs/cgroup describe them.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace ddpm {

// Both versions of control groups can be in use at once, for different resources.
enum class GroupVersion { kOne, kTwo };

// Calls visit(version, folder) for the group of this process that controls `resource` ("cpu",
// "memory"), and for the groups around it, innermost first, as far as they are visible. `root` is
// the folder that holds proc and sys.
void for_each_group(const std::filesystem::path& root, const std::string& resource,
                    const std::function<void(GroupVersion, const std::filesystem::path&)>& visit);

// The content of a file of the kernel, which does not tell its size; "" if it cannot be read.
std::string kernel_file(const std::filesystem::path& path);

// The number with which the line begins that begins with `key`, as "MemTotal:  16 kB" does; with an
// empty key, the number with which the file begins. Nothing if there is none, as in "max".
std::optional<double> kernel_number(const std::filesystem::path& path, const std::string& key = "");

}  // namespace ddpm
