#include "ddpm/formats/tar.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "ddpm/base/error.h"

namespace ddpm {
namespace {

constexpr std::uint64_t kBlock = 512;
constexpr std::uint64_t kMaxExtensionBytes = 1 << 20;  // largest long name or pax header

using Header = std::vector<std::uint8_t>;

// A text field ends at its first NUL, or is as long as its width.
std::string text_field(const Header& header, std::size_t offset, std::size_t width) {
  const auto begin = header.begin() + static_cast<std::ptrdiff_t>(offset);
  const auto end = begin + static_cast<std::ptrdiff_t>(width);
  return {begin, std::find(begin, end, std::uint8_t{0})};
}

// A number is octal digits between spaces and NULs or, where the top bit is set (GNU), big-endian
// bytes.
std::optional<std::uint64_t> number_field(const Header& header, std::size_t offset,
                                          std::size_t width) {
  std::uint64_t value = 0;
  if ((header[offset] & 0x80) != 0) {
    if (header[offset] != 0x80) return std::nullopt;  // negative, or longer than 64 bits
    for (std::size_t i = 1; i < width; ++i) {
      if (value >> 56 != 0) return std::nullopt;
      value = value << 8 | header[offset + i];
    }
    return value;
  }
  std::string text = text_field(header, offset, width);
  text.erase(0, text.find_first_not_of(' '));
  text.erase(text.find_last_not_of(' ') + 1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// In the sum the checksum field itself (8 bytes at 148) counts as spaces.
bool checksum_matches(const Header& header) {
  std::uint64_t sum = std::uint64_t{8} * ' ';
  for (std::size_t i = 0; i < kBlock; ++i)
    if (i < 148 || i >= 156) sum += header[i];
  return number_field(header, 148, 8) == sum;
}

// "./a//b" -> "a/b". Returns nothing for names outside the folder the archive would be unpacked to.
std::optional<std::string> safe_name(std::string_view name) {
  if (name.empty() || name.front() == '/' || name.find('\0') != std::string_view::npos)
    return std::nullopt;
  std::string safe;
  while (!name.empty()) {
    const std::string_view part = name.substr(0, name.find('/'));
    name.remove_prefix(std::min(name.size(), part.size() + 1));
    if (part == "..") return std::nullopt;
    if (part.empty() || part == ".") continue;
    if (!safe.empty()) safe += '/';
    safe += part;
  }
  return safe;
}

bool is_zero(const Header& block) {
  return std::ranges::all_of(block, [](std::uint8_t byte) { return byte == 0; });
}

std::string header_name(const Header& header) {
  std::string name = text_field(header, 0, 100);
  // Only ustar has the prefix; old GNU archives keep times there.
  if (text_field(header, 257, 6) == "ustar" && header[263] == '0') {
    const std::string prefix = text_field(header, 345, 155);
    if (!prefix.empty()) name = prefix + "/" + name;
  }
  return name;
}

}  // namespace

TarReader::TarReader(ByteReader& source, TarLimits limits, OnLink on_link)
    : source_(source), limits_(limits), on_link_(std::move(on_link)) {}

void TarReader::fail(const std::string& reason) const {
  throw DataError(source_.name() + ": " + reason);
}

std::optional<TarMember> TarReader::next() {
  Overrides overrides;
  Header header;
  while (read_header(header)) {
    const std::optional<std::uint64_t> header_size = number_field(header, 124, 12);
    if (!header_size) fail("invalid size in a tar header");
    const char type = static_cast<char>(header[156]);
    if (type == 'L' || type == 'K' || type == 'x' || type == 'g') {
      apply_extension(type, *header_size, overrides);
      continue;
    }
    const std::string raw =
        overrides.name.empty() ? header_name(header) : std::move(overrides.name);
    const std::optional<std::string> name = safe_name(raw);
    if (!name) fail("member '" + raw + "' would leave the archive's folder");
    // Links, devices, folders and pipes ('1' to '6') have no content, whatever their size field
    // says.
    unread_ = type >= '1' && type <= '6' ? 0 : overrides.size.value_or(*header_size);
    if (unread_ > limits_.max_member_bytes)
      fail("member '" + raw + "' claims " + std::to_string(unread_) + " bytes, more than the " +
           std::to_string(limits_.max_member_bytes) + " allowed here");
    padding_ = (kBlock - unread_ % kBlock) % kBlock;
    overrides = {};
    if ((type == '1' || type == '2') && on_link_) on_link_(*name);
    // Old tars mark a folder by its trailing slash. Unknown types are skipped with their content.
    const bool is_regular = (type == '0' || type == '\0' || type == '7') && !raw.ends_with('/');
    if (is_regular && !name->empty()) return TarMember{*name, unread_, position_};
  }
  return std::nullopt;
}

std::vector<std::uint8_t> TarReader::read() {
  std::vector<std::uint8_t> content = take(unread_, "a tar member");
  unread_ = 0;
  return content;
}

std::vector<std::uint8_t> TarReader::take(std::uint64_t size, const char* what) {
  std::vector<std::uint8_t> bytes = read_exactly(source_, size, what);
  position_ += size;
  return bytes;
}

std::size_t TarReader::read_block(Header& block) {
  block.resize(kBlock);
  const std::size_t got = source_.read(std::as_writable_bytes(std::span(block)));
  position_ += got;
  return got;
}

// Returns false at the end: a block of zeros that no other archive follows, or the end of the file,
// where tar itself only warns.
bool TarReader::read_header(Header& header) {
  skip_to_next_header();
  const std::size_t got = read_block(header);
  if (got == 0 && headers_ > 0) return false;
  if (got < kBlock) fail(headers_ == 0 ? "not a tar archive" : "truncated tar archive");
  if (is_zero(header) && !find_next_archive(header)) return false;
  if (!checksum_matches(header))
    fail(headers_ == 0 ? "not a tar archive" : "damaged tar header (wrong checksum)");
  if (++headers_ > limits_.max_members)
    fail("it has more than " + std::to_string(limits_.max_members) + " members");
  return true;
}

// Handles GNU long names ('L'; 'K' is for links) and pax records ("LEN KEY=VALUE\n"). Global
// records ('g') do not concern a member.
void TarReader::apply_extension(char type, std::uint64_t size, Overrides& overrides) {
  if (size > kMaxExtensionBytes) fail("a tar extension header is too long");
  const std::vector<std::uint8_t> bytes = take(size, "a tar extension header");
  padding_ = (kBlock - size % kBlock) % kBlock;
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (type == 'L') overrides.name = text.substr(0, text.find('\0'));
  if (type != 'x') return;
  while (!text.empty()) {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    const auto digits = static_cast<std::size_t>(end - text.data());
    if (error != std::errc() || length <= digits + 1 || length > text.size() ||
        text[digits] != ' ' || text[length - 1] != '\n')
      fail("damaged pax header");
    const std::string_view record = text.substr(digits + 1, length - digits - 2);
    text.remove_prefix(length);
    if (record.starts_with("path=")) overrides.name = record.substr(5);
    if (!record.starts_with("size=")) continue;
    std::uint64_t value = 0;
    const char* last = record.data() + record.size();
    const auto parsed = std::from_chars(record.data() + 5, last, value);
    if (parsed.ec != std::errc() || parsed.ptr != last) fail("damaged pax header");
    overrides.size = value;
  }
}

// After the end mark: looks behind its zeros for the first header of another archive, as
// `cat a.tar b.tar` leaves it. Other bytes are padding; they are read all the same, because the
// checksum that proves a gzip stream undamaged is at its end.
bool TarReader::find_next_archive(Header& header) {
  constexpr int kMaxBlocks = 1 << 15;  // 16 MiB
  bool only_zeros = true;
  for (int i = 0; i < kMaxBlocks; ++i) {
    if (read_block(header) < kBlock) return false;
    only_zeros = only_zeros && (is_zero(header) || checksum_matches(header));
    if (only_zeros && !is_zero(header)) return true;
  }
  fail("too many bytes after the end of the tar archive");
}

void TarReader::skip_to_next_header() {
  const std::uint64_t left = unread_ + padding_;
  unread_ = padding_ = 0;
  if (source_.skip(left) < left) fail("truncated tar archive");
  position_ += left;
}

}  // namespace ddpm
