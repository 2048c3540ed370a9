#include "control_groups.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>
#include <vector>

namespace ddpm {
namespace {

namespace fs = std::filesystem;

// Where groups of one hierarchy are visible: the group `group` and those inside it, at `folder`.
struct Mount {
  std::string group;
  fs::path folder;
};

bool lists(const std::string& names, std::string_view name) {
  std::istringstream parts(names);
  for (std::string part; std::getline(parts, part, ',');)
    if (part == name) return true;
  return false;
}

// In mountinfo a space is written as "\040", and so are tabs, line ends and backslashes.
std::string unescaped(const std::string& text) {
  const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
        is_octal(text[i + 3])) {
      result += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

// A line of mountinfo: number, parent, device, root, mount point, options, any number of optional
// fields, "-", type, source, options of the file system.
std::optional<Mount> find_mount(const fs::path& root, GroupVersion version,
                                const std::string& resource) {
  std::istringstream lines(kernel_file(root / "proc/self/mountinfo"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    const std::vector<std::string> fields{std::istream_iterator<std::string>(words), {}};
    if (fields.size() < 10) continue;
    const auto dash = std::find(fields.begin() + 6, fields.end(), "-");
    if (fields.end() - dash < 4) continue;
    const bool found = version == GroupVersion::kTwo
                           ? dash[1] == "cgroup2"
                           : dash[1] == "cgroup" && lists(dash[3], resource);
    if (found)
      return Mount{unescaped(fields[3]), root / fs::path(unescaped(fields[4])).relative_path()};
  }
  return std::nullopt;
}

// The group of this process, from lines such as "4:cpu,cpuacct:/a/b", or "0::/a/b" for version 2.
std::optional<std::string> find_group(const fs::path& root, GroupVersion version,
                                      const std::string& resource) {
  std::istringstream lines(kernel_file(root / "proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string resources = line.substr(first + 1, second - first - 1);
    if (version == GroupVersion::kTwo ? resources.empty() : lists(resources, resource))
      return line.substr(second + 1);
  }
  return std::nullopt;
}

// The folder of the group. A container may see only its own group, or another name of it: then the
// mount point is all there is to see.
fs::path folder_of(const Mount& mount, const std::string& group) {
  const std::string outer = mount.group == "/" ? "" : mount.group;
  const bool inside = group.starts_with(outer) &&
                      (group.size() == outer.size() || group[outer.size()] == '/') &&
                      group.find("..") == std::string::npos;
  if (!inside) return mount.folder;
  const fs::path inner = fs::path(group.substr(outer.size())).relative_path();
  std::error_code ignored;
  const fs::path folder = inner.empty() ? mount.folder : mount.folder / inner;
  return fs::is_directory(folder, ignored) ? folder : mount.folder;
}

}  // namespace

void for_each_group(const fs::path& root, const std::string& resource,
                    const std::function<void(GroupVersion, const fs::path&)>& visit) {
  for (const GroupVersion version : {GroupVersion::kTwo, GroupVersion::kOne}) {
    const std::optional<Mount> mount = find_mount(root, version, resource);
    const std::optional<std::string> group = find_group(root, version, resource);
    if (!mount || !group) continue;
    fs::path folder = folder_of(*mount, *group).lexically_normal();
    const fs::path top = mount->folder.lexically_normal();
    for (; folder != top && folder.has_relative_path(); folder = folder.parent_path())
      visit(version, folder);
    visit(version, top);
  }
}

std::string kernel_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::optional<double> kernel_number(const fs::path& path, const std::string& key) {
  std::istringstream lines(kernel_file(path));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(key)) continue;
    std::istringstream rest(line.substr(key.size()));
    double value = 0;
    if (rest >> value) return value;
    if (key.empty()) return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace ddpm
