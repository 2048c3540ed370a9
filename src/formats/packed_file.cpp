#include "ddpm/formats/packed_file.h"

#include <array>
#include <string_view>

#include "ddpm/base/format.h"
#include "ddpm/base/text.h"

namespace ddpm {
namespace {

using namespace std::string_view_literals;

struct PackedKind {
  std::string_view signature;
  const char* description;
  const char* command;      // that unpacks a file of this kind
  const char* tar_command;  // that unpacks a tar archive in it
};
constexpr std::array<PackedKind, 6> kKinds = {{
    {"BZh"sv, "compressed by bzip2", "bunzip2 -k", "tar -xf"},
    {"\xfd"
     "7zXZ\0"sv,
     "compressed by xz", "xz -dk", "tar -xf"},
    {"\x28\xb5\x2f\xfd"sv, "compressed by zstd", "zstd -d", "tar --zstd -xf"},
    {"\x04\x22\x4d\x18"sv, "compressed by lz4", "lz4 -d", "tar -I lz4 -xf"},
    {"7z\xbc\xaf\x27\x1c"sv, "a 7z archive", "7z x", "7z x"},
    {"Rar!\x1a\x07"sv, "a rar archive", "unrar x", "unrar x"},
}};

// "photos.tar.xz", "photos.txz" and the like.
bool is_tar_name(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  return dot != std::string::npos &&
         (name.substr(0, dot).ends_with(".tar") || name.substr(dot).starts_with(".t"));
}

// As a word of a shell's command.
std::string quoted(const std::string& path) {
  const bool is_plain = path.find_first_not_of(
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                            "0123456789./_+=:,@%-") == std::string::npos;
  return is_plain ? path : "'" + printable(path) + "'";
}

}  // namespace

std::string unpack_advice(std::span<const std::byte> bytes, const std::filesystem::path& path) {
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const PackedKind& kind : kKinds)
    if (head.starts_with(kind.signature))
      return format_text(
          "{}; unpack it first: {} {}", kind.description,
          is_tar_name(lower_case(path.filename().string())) ? kind.tar_command : kind.command,
          quoted(path.string()));
  return "";
}

}  // namespace ddpm
