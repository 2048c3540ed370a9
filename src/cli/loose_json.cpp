#include "loose_json.h"

#include <cstdio>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/formats/json.h"

namespace ddpm::cli {

bool is_json_text(const fs::path& file) {
  if (file.extension() == ".json") return true;
  std::string start(4096, '\0');
  std::FILE* stream = std::fopen(file.c_str(), "rb");
  if (stream == nullptr) return false;
  start.resize(std::fread(start.data(), 1, start.size(), stream));
  std::fclose(stream);
  const std::size_t first = start.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  return first != std::string::npos && (start[first] == '{' || start[first] == '/') &&
         start.find('\0') == std::string::npos;
}

std::string read_json_text(const fs::path& path) {
  try {
    return read_file(path, kMaxJsonBytes);
  } catch (const IoError& error) {
    blame_file<ConfigError>(error);
  }
}

Document parse_loosely(const std::string& text) {
  constexpr int kMaxDepth = 32;
  struct TooDeep {};
  const auto check = [](int depth, Document::parse_event_t, Document&) {
    if (depth > kMaxDepth) throw TooDeep();
    return true;
  };
  try {
    return Document::parse(text, check, /*allow_exceptions=*/false, /*ignore_comments=*/true);
  } catch (const TooDeep&) {
    return Document(Document::value_t::discarded);
  }
}

}  // namespace ddpm::cli
