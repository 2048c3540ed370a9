#include "ddpm/base/host.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "ddpm/base/text.h"

namespace ddpm {
namespace {

// The home of this user; of another one if the name is not empty. Empty if it is unknown.
std::string home_of(const std::string& user) {
  if (user.empty() && is_set("HOME")) return std::getenv("HOME");
  const passwd* entry = user.empty() ? ::getpwuid(::geteuid()) : ::getpwnam(user.c_str());
  return entry == nullptr ? "" : entry->pw_dir;
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

std::string home_advice(const std::filesystem::path& path) {
  const std::string& text = path.native();
  if (!text.starts_with('~')) return "";
  const std::size_t end = std::min(text.find('/'), text.size());
  const std::string home = home_of(text.substr(1, end - 1));
  if (home.empty()) return "";
  return ": the shell replaces ~ only at the start of a word and outside quotes, and here it did "
         "not; '" +
         shown(home + text.substr(end)) + "' was probably meant";
}

}  // namespace ddpm
