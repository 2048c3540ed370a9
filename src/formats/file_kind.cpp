#include "ddpm/formats/file_kind.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/gzip.h"
#include "ddpm/formats/packed_file.h"
#include "ddpm/formats/zip.h"
#include "torch_archive.h"

namespace ddpm {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::size_t offset;
  std::string_view bytes;
  const char* meaning;
};
constexpr std::array<Signature, 5> kOthers = {{
    {0, "version https://git-lfs"sv,
     "a Git LFS pointer, not the file itself: run git lfs pull in its repository"},
    {257, "ustar"sv, "a tar archive: unpack it first"},
    {0, "GGUF"sv, "a GGUF file, whose quantised weights are not read: get the .safetensors"},
    {0, "\x89HDF\r\n"sv, "an HDF5 file (Keras), which is not read: get the .safetensors"},
    {0, "\x93NUMPY"sv, "a NumPy array, not the weights of a network"},
}};

// Whether `letter` is the first one of a text, behind spaces and the mark of UTF-8.
bool starts_with_letter(std::string_view head, char letter) {
  const std::size_t first = head.find_first_not_of(" \t\r\n\xef\xbb\xbf"sv);
  return first != std::string_view::npos && head[first] == letter;
}

// The length of the header in eight bytes, then the header, which is JSON.
bool is_safetensors(std::string_view head) { return head.size() > 8 && head[8] == '{'; }

bool is_pickle(std::string_view head) {
  return head.size() > 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5;
}

// TorchScript is a zip archive too. The directory at the end of one names all members.
bool holds_torch_script(std::string_view all) {
  constexpr std::size_t kDirectory = std::size_t{1} << 20;
  const std::string_view end = all.substr(all.size() - std::min(all.size(), kDirectory));
  return end.find("/constants.pkl"sv) != std::string_view::npos;
}

WeightFileKind recognize(std::span<const std::byte> bytes, const fs::path& path) {
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string_view head = all.substr(0, 512);
  if (looks_like_gzip(bytes)) throw CheckpointError("compressed by gzip: unpack it first");
  if (const std::string advice = unpack_advice(bytes, path); !advice.empty())
    throw CheckpointError(advice);
  for (const Signature& other : kOthers)
    if (head.size() >= other.offset && head.substr(other.offset).starts_with(other.bytes))
      throw CheckpointError(other.meaning);
  if (looks_like_zip(bytes) && holds_torch_script(all))
    throw CheckpointError(
        "a TorchScript program (torch.jit.save), which is not read; in Python: "
        "torch.save(torch.jit.load(FILE).state_dict(), \"weights.pt\")");
  if (looks_like_zip(bytes) || looks_like_legacy_torch(bytes)) return WeightFileKind::kTorch;
  if (is_safetensors(head)) return WeightFileKind::kSafetensors;
  if (starts_with_letter(head, '{')) {
    if (all.find("\"weight_map\""sv) != std::string_view::npos) return WeightFileKind::kShardIndex;
    throw CheckpointError(
        "a JSON text, not a file of weights: a config, or the answer of a server to a failed "
        "download");
  }
  if (starts_with_letter(head, '<'))
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

bool is_torch_script(const fs::path& path) {
  try {
    const MappedFile map(path);
    return looks_like_zip(map.bytes()) &&
           holds_torch_script(
               {reinterpret_cast<const char*>(map.bytes().data()), map.bytes().size()});
  } catch (const IoError&) {
    return false;
  }
}

WeightFileKind recognize_weights(const fs::path& path) {
  try {
    const std::optional<FileInfo> info = file_info(path);
    if (info && !info->is_file)
      throw CheckpointError("not a regular file, but a folder, a pipe, a socket or a device");
    if (info && info->bytes == 0) throw CheckpointError("an empty file (0 bytes)");
    const MappedFile map(path);
    return recognize(map.bytes(), path);
  } catch (const IoError& error) {
    blame_file<CheckpointError>(error);
  } catch (const CheckpointError& error) {
    throw CheckpointError(path.string() + ": " + error.what());
  }
}

}  // namespace ddpm
