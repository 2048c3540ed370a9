#include "ddpm/formats/byte_reader.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/formats/gzip.h"

namespace ddpm {
namespace {

// Reads a mapped file, which it keeps alive.
class FileReader : public ByteReader {
 public:
  FileReader(MappedFile file, const std::string& name)
      : ByteReader(name), file_(std::move(file)), content_(open_data(file_.bytes(), name)) {}

  std::size_t read(std::span<std::byte> out) override { return content_->read(out); }
  std::uint64_t skip(std::uint64_t count) override { return content_->skip(count); }

 private:
  MappedFile file_;
  std::unique_ptr<ByteReader> content_;
};

}  // namespace

std::uint64_t ByteReader::skip(std::uint64_t count) {
  std::array<std::byte, 1 << 14> buffer;
  std::uint64_t done = 0;
  while (done < count) {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(count - done, buffer.size()));
    const std::size_t got = read(std::span(buffer).first(wanted));
    done += got;
    if (got < wanted) break;
  }
  return done;
}

std::uint64_t MemoryReader::skip(std::uint64_t count) {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(count, rest_.size()));
  rest_ = rest_.subspan(size);
  return size;
}

std::size_t MemoryReader::read(std::span<std::byte> out) {
  const std::size_t size = std::min(out.size(), rest_.size());
  std::copy_n(rest_.begin(), size, out.begin());
  rest_ = rest_.subspan(size);
  return size;
}

std::unique_ptr<ByteReader> open_data(std::span<const std::byte> bytes, const std::string& name) {
  if (looks_like_gzip(bytes)) return std::make_unique<GzipReader>(bytes, name);
  return std::make_unique<MemoryReader>(bytes, name);
}

std::unique_ptr<ByteReader> open_data_file(const std::filesystem::path& path) {
  return std::make_unique<FileReader>(map_file<DataError>(path), path.string());
}

std::vector<std::uint8_t> read_exactly(ByteReader& reader, std::uint64_t size,
                                       const std::string& what) {
  constexpr std::uint64_t kChunk = 1 << 20;
  std::vector<std::uint8_t> bytes;
  while (bytes.size() < size) {
    const std::size_t done = bytes.size();
    const auto wanted = static_cast<std::size_t>(std::min(kChunk, size - done));
    bytes.resize(done + wanted);
    const std::size_t got = reader.read(std::as_writable_bytes(std::span(bytes).subspan(done)));
    if (got < wanted)
      throw DataError(reader.name() + ": truncated: " + std::to_string(size) + " bytes of " + what +
                      " expected, " + std::to_string(done + got) + " found");
  }
  return bytes;
}

bool at_end(ByteReader& reader) {
  std::byte byte{};
  return reader.read({&byte, 1}) == 0;
}

}  // namespace ddpm
