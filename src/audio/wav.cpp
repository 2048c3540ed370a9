#include "ddpm/audio/wav.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

#include "codecs.h"
#include "ddpm/base/bytes.h"
#include "ddpm/base/error.h"
#include "ddpm/base/format.h"

namespace ddpm {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t kFileHeader = 12, kChunkHeader = 8;  // "RIFF", size, "WAVE"; name, size
constexpr std::uint64_t kUnknownSize = 0xffffffff;         // of a pipe, or in an RF64 file
constexpr std::uint64_t kPcm = 1, kFloat = 3, kExtensible = 0xfffe;

std::string_view text_at(Bytes bytes, std::size_t offset) {
  return {reinterpret_cast<const char*>(bytes.data()) + offset, 4};
}

std::uint64_t number(Bytes bytes, std::size_t offset, std::size_t size) {
  return load_little_endian(bytes.subspan(offset, size));
}

// How the samples lie in the file.
struct Encoding {
  bool is_float = false;
  std::size_t bytes = 0;  // of a sample
  std::int64_t rate = 0, channels = 0;
};

std::string name_of_codec(std::uint64_t tag) {
  switch (tag) {
    case 2:
    case 0x11:
      return "ADPCM";
    case 6:
      return "A-law";
    case 7:
      return "mu-law";
    case 0x31:
      return "GSM";
    case 0x50:
      return "MPEG";
    case 0x55:
      return "MP3";
    default:
      return format_text("encoding {:#x}", tag);
  }
}

Encoding read_format(Bytes chunk, const std::string& name) {
  if (chunk.size() < 16) throw DataError(name + ": damaged WAV file: its format is cut off");
  std::uint64_t tag = number(chunk, 0, 2);
  // The first two bytes of the identifier are the tag.
  if (tag == kExtensible && chunk.size() >= 26) tag = number(chunk, 24, 2);
  const std::uint64_t channels = number(chunk, 2, 2), rate = number(chunk, 4, 4),
                      frame = number(chunk, 12, 2), bits = number(chunk, 14, 2);
  if (tag != kPcm && tag != kFloat)
    throw DataError(format_text(
        "{}: a WAV file of {}; this program reads uncompressed ones: ffmpeg -i IN.wav OUT.wav",
        name, name_of_codec(tag)));
  if (channels < 1 || channels > static_cast<std::uint64_t>(kMaxSoundChannels))
    throw DataError(
        format_text("{}: {} channels; expected 1 to {}", name, channels, kMaxSoundChannels));
  if (rate < 1 || rate > static_cast<std::uint64_t>(kMaxSamplingRate))
    throw DataError(
        format_text("{}: {} samples a second; expected 1 to {}", name, rate, kMaxSamplingRate));
  const bool known = tag == kFloat ? bits == 32 || bits == 64
                                   : bits == 8 || bits == 16 || bits == 24 || bits == 32;
  if (!known || frame != channels * bits / 8)
    throw DataError(format_text(
        "{}: samples of {} bits are not supported, or {} channels of them do not fit {} bytes",
        name, bits, channels, frame));
  return {.is_float = tag == kFloat,
          .bytes = bits / 8,
          .rate = static_cast<std::int64_t>(rate),
          .channels = static_cast<std::int64_t>(channels)};
}

double sample_at(const std::byte* at, const Encoding& encoding) {
  const std::uint64_t raw = load_little_endian({at, encoding.bytes});
  if (encoding.is_float && encoding.bytes == 4)
    return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(raw)));
  if (encoding.is_float) return std::bit_cast<double>(raw);
  if (encoding.bytes == 1) return (static_cast<double>(raw) - 128) / 128;  // the only unsigned ones
  const std::size_t unused = 64 - 8 * encoding.bytes;
  const auto value = static_cast<std::int64_t>(raw << unused) >> unused;
  return std::ldexp(static_cast<double>(value), 1 - static_cast<int>(8 * encoding.bytes));
}

Sound decode(Bytes data, const Encoding& encoding, const std::string& name) {
  const std::size_t frame = encoding.bytes * static_cast<std::size_t>(encoding.channels);
  Sound sound{.rate = encoding.rate, .samples = {}, .channels = encoding.channels};
  sound.samples.reserve(data.size() / frame);
  for (std::size_t at = 0; at + frame <= data.size(); at += frame) {
    double sum = 0;
    for (std::size_t i = at; i < at + frame; i += encoding.bytes)
      sum += sample_at(data.data() + i, encoding);
    append_mean(sound, sum, name);
  }
  return sound;
}

std::string header(std::int64_t rate, std::uint64_t data_bytes, WavFormat format) {
  const bool is_float = format == WavFormat::kFloat;
  const std::uint64_t sample = is_float ? 4 : 2, format_bytes = is_float ? 18 : 16;
  // Formats other than integers need the chunk "fact" with the number of samples.
  const std::uint64_t fact_bytes = is_float ? 4 : 0;
  std::string bytes = "RIFF";
  append_little_endian(bytes,
                       4 + 8 + format_bytes + (is_float ? 8 + fact_bytes : 0) + 8 + data_bytes, 4);
  bytes += "WAVEfmt ";
  append_little_endian(bytes, format_bytes, 4);
  append_little_endian(bytes, is_float ? kFloat : kPcm, 2);
  append_little_endian(bytes, 1, 2);  // channels
  append_little_endian(bytes, static_cast<std::uint64_t>(rate), 4);
  append_little_endian(bytes, static_cast<std::uint64_t>(rate) * sample, 4);
  append_little_endian(bytes, sample, 2);
  append_little_endian(bytes, 8 * sample, 2);
  if (is_float) {
    append_little_endian(bytes, 0, 2);  // no more fields
    bytes += "fact";
    append_little_endian(bytes, fact_bytes, 4);
    append_little_endian(bytes, data_bytes / sample, 4);
  }
  bytes += "data";
  append_little_endian(bytes, data_bytes, 4);
  return bytes;
}

}  // namespace

bool looks_like_wav(Bytes file) {
  if (file.size() < kFileHeader || text_at(file, 8) != "WAVE") return false;
  return text_at(file, 0) == "RIFF" || text_at(file, 0) == "RF64";
}

Sound read_wav(Bytes file, const std::string& name) {
  if (!looks_like_wav(file)) throw DataError(name + ": not a WAV file");
  std::optional<Encoding> encoding;
  std::optional<std::uint64_t> long_size;  // of the samples, in an RF64 file
  Bytes rest = file.subspan(kFileHeader);
  while (rest.size() >= kChunkHeader) {
    const std::string_view chunk = text_at(rest, 0);
    const std::uint64_t size = number(rest, 4, 4);
    rest = rest.subspan(kChunkHeader);
    if (chunk == "data") {
      if (!encoding) throw DataError(name + ": damaged WAV file: samples before their format");
      const std::uint64_t claimed = size == kUnknownSize && long_size ? *long_size : size;
      const bool open_end = claimed == kUnknownSize || (claimed == 0 && rest.size() > kChunkHeader);
      const std::uint64_t present =
          open_end ? rest.size() : std::min<std::uint64_t>(claimed, rest.size());
      Sound sound = decode(rest.first(present), *encoding, name);
      sound.is_cut_off = !open_end && present < claimed;
      return sound;
    }
    const Bytes content = rest.first(std::min<std::uint64_t>(size, rest.size()));
    if (chunk == "fmt ") encoding = read_format(content, name);
    if (chunk == "ds64" && content.size() >= 16) long_size = number(content, 8, 8);
    rest = rest.subspan(std::min<std::uint64_t>(size + size % 2, rest.size()));
  }
  throw DataError(name + ": damaged WAV file: there are no samples");
}

WavWriter::WavWriter(Sink sink, std::int64_t rate, std::int64_t samples, WavFormat format)
    : sink_(std::move(sink)), format_(format) {
  const std::uint64_t bytes =
      static_cast<std::uint64_t>(samples) * (format == WavFormat::kFloat ? 4 : 2);
  constexpr std::uint64_t kHeaderRoom = 64;
  if (bytes > std::numeric_limits<std::uint32_t>::max() - kHeaderRoom)
    throw DataError(format_text(
        "a WAV file of {} samples would be larger than 4 GiB, the limit of the format", samples));
  const std::string head = header(rate, bytes, format);
  sink_(std::as_bytes(std::span(head)));
}

void WavWriter::write(std::span<const float> samples) {
  std::string bytes;
  for (const float sample : samples) {
    if (format_ == WavFormat::kFloat) {
      append_little_endian(bytes, std::bit_cast<std::uint32_t>(sample), 4);
      continue;
    }
    const float value = std::clamp(std::nearbyint(sample * 32768.0F), -32768.0F, 32767.0F);
    append_little_endian(bytes, static_cast<std::uint64_t>(static_cast<std::int64_t>(value)), 2);
  }
  sink_(std::as_bytes(std::span(bytes)));
}

}  // namespace ddpm
