#include "ddpm/formats/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"

namespace ddpm {
namespace {

// zlib counts in 32 bits, so larger data are given to it in parts.
uInt clamp_to_uint(std::size_t size) {
  return static_cast<uInt>(std::min<std::size_t>(size, std::numeric_limits<uInt>::max()));
}

}  // namespace

bool looks_like_gzip(std::span<const std::byte> bytes) noexcept {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
}

struct GzipReader::Stream {
  explicit Stream(std::span<const std::byte> compressed) : rest(compressed) {
    // 16 selects the gzip format; zlib then verifies its checksum.
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  ~Stream() { inflateEnd(&z); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Calls inflate once on the rest of the input, into `out`, and advances both. Returns its result.
  int step(std::span<std::byte>& out) {
    z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(rest.data()));
    z.avail_in = clamp_to_uint(rest.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = clamp_to_uint(out.size());
    const uInt in_before = z.avail_in;
    const uInt out_before = z.avail_out;
    const int verdict = inflate(&z, Z_NO_FLUSH);
    rest = rest.subspan(in_before - z.avail_in);
    out = out.subspan(out_before - z.avail_out);
    return verdict;
  }

  z_stream z{};
  std::span<const std::byte> rest;
  bool ended = false;
};

GzipReader::GzipReader(std::span<const std::byte> compressed, std::string name)
    : ByteReader(std::move(name)), stream_(std::make_unique<Stream>(compressed)) {}

GzipReader::~GzipReader() = default;

std::size_t GzipReader::read(std::span<std::byte> out) {
  const std::size_t wanted = out.size();
  while (!out.empty() && !stream_->ended) {
    const int verdict = stream_->step(out);
    if (verdict == Z_STREAM_END) {
      stream_->ended = !start_next_member();
    } else if (verdict == Z_BUF_ERROR ||
               (verdict == Z_OK && stream_->rest.empty() && !out.empty())) {
      throw DataError(name() + ": truncated gzip data");
    } else if (verdict == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (verdict != Z_OK) {
      const char* detail = stream_->z.msg != nullptr ? stream_->z.msg : "invalid stream";
      throw DataError(name() + ": damaged gzip data (" + detail + ")");
    }
  }
  return wanted - out.size();
}

// After a member the file ends, zeros pad it (as on tapes), or another member follows.
bool GzipReader::start_next_member() {
  const auto is_zero = [](std::byte b) { return b == std::byte{0}; };
  if (std::all_of(stream_->rest.begin(), stream_->rest.end(), is_zero)) return false;
  if (!looks_like_gzip(stream_->rest))
    throw DataError(name() + ": unexpected bytes after the end of the gzip data");
  inflateReset(&stream_->z);
  return true;
}

std::vector<std::uint8_t> gunzip(std::span<const std::byte> compressed, const std::string& name,
                                 std::uint64_t max_bytes) {
  constexpr std::size_t kChunk = 1 << 20;
  GzipReader reader(compressed, name);
  std::vector<std::uint8_t> content;
  while (true) {
    const std::size_t done = content.size();
    content.resize(done + kChunk);
    const std::size_t got = reader.read(std::as_writable_bytes(std::span(content).subspan(done)));
    content.resize(done + got);
    if (content.size() > max_bytes)
      throw DataError(name + ": decompresses to more than the " + std::to_string(max_bytes) +
                      " bytes allowed here");
    if (got < kChunk) return content;
  }
}

std::vector<std::uint8_t> gunzip_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const MappedFile file = map_file<DataError>(path);
  return gunzip(file.bytes(), path.string(), max_bytes);
}

}  // namespace ddpm
