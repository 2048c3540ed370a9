#include "ddpm/formats/file_kind.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"

namespace ddpm {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::size_t offset;
  std::string_view bytes;
  const char* meaning;
};
constexpr std::array<Signature, 9> kOthers = {{
    {0, "version https://git-lfs"sv,
     "a Git LFS pointer, not the file itself: run git lfs pull in its repository"},
    {0, "\x1f\x8b"sv, "compressed by gzip: unpack it first"},
    {0, "BZh"sv, "compressed by bzip2: unpack it first"},
    {0,
     "\xfd"
     "7zXZ"sv,
     "compressed by xz: unpack it first"},
    {0, "7z\xbc\xaf"sv, "a 7z archive: unpack it first"},
    {257, "ustar"sv, "a tar archive: unpack it first"},
    {0, "GGUF"sv, "a GGUF file, whose quantised weights are not read: get the .safetensors"},
    {0, "\x89HDF\r\n"sv, "an HDF5 file (Keras), which is not read: get the .safetensors"},
    {0, "\x93NUMPY"sv, "a NumPy array, not the weights of a network"},
}};

// The older form of torch.save begins with this number as a pickle.
constexpr std::string_view kLegacyTorch =
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv;

bool is_web_page(std::string_view head) {
  const std::size_t first = head.find_first_not_of(" \t\r\n\xef\xbb\xbf"sv);
  return first != std::string_view::npos && head[first] == '<';
}

// The length of the header in eight bytes, then the header, which is JSON.
bool is_safetensors(std::string_view head) { return head.size() > 8 && head[8] == '{'; }

bool is_pickle(std::string_view head) {
  return head.size() > 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5;
}

WeightFileKind kind_of_zip(std::string_view all) {
  // The directory, which names all members, is at the end.
  constexpr std::size_t kDirectory = std::size_t{1} << 20;
  const std::string_view end = all.substr(all.size() - std::min(all.size(), kDirectory));
  if (end.find("/constants.pkl"sv) != std::string_view::npos)
    throw CheckpointError(
        "a TorchScript program (torch.jit.save), which is not read; in Python: "
        "torch.save(torch.jit.load(FILE).state_dict(), \"weights.pt\")");
  if (end.find("PK\x05\x06"sv) == std::string_view::npos)
    throw CheckpointError("a zip archive without its end: the file is truncated");
  return WeightFileKind::kTorch;
}

WeightFileKind recognize(std::string_view all) {
  const std::string_view head = all.substr(0, 512);
  if (head.empty()) throw CheckpointError("an empty file (0 bytes)");
  for (const Signature& other : kOthers)
    if (head.size() >= other.offset && head.substr(other.offset).starts_with(other.bytes))
      throw CheckpointError(other.meaning);
  if (head.starts_with("PK\x03\x04"sv)) return kind_of_zip(all);
  if (head.starts_with(kLegacyTorch)) return WeightFileKind::kTorch;
  if (is_safetensors(head)) return WeightFileKind::kSafetensors;
  if (is_web_page(head))
    throw CheckpointError(
        "a web page, not a file of weights: the download failed or needs a login");
  if (is_pickle(head))
    throw CheckpointError("a plain pickle; weights are read from files of torch.save");
  throw CheckpointError(format_text(
      "not a file of weights: its first bytes '{}' are neither safetensors' nor torch.save's; it "
      "may be damaged or truncated",
      shorten(head.substr(0, 16))));
}

}  // namespace

WeightFileKind recognize_weights(const fs::path& path) {
  try {
    if (fs::exists(path) && !fs::is_regular_file(path))
      throw CheckpointError("not a regular file, but a folder, a pipe, a socket or a device");
    if (fs::exists(path) && fs::file_size(path) == 0)
      throw CheckpointError("an empty file (0 bytes)");
    const MappedFile map(path);
    return recognize({reinterpret_cast<const char*>(map.bytes().data()), map.bytes().size()});
  } catch (const IoError& error) {
    throw CheckpointError(error.what());
  } catch (const CheckpointError& error) {
    throw CheckpointError(path.string() + ": " + error.what());
  }
}

}  // namespace ddpm
