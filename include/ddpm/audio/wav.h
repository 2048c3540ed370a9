// WAV files (RIFF, "Multimedia Programming Interface and Data Specifications 1.0", and RF64, EBU
// Tech 3306).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "ddpm/audio/sound.h"
#include "ddpm/base/choice.h"

namespace ddpm {

bool looks_like_wav(std::span<const std::byte> file);

// Reads integers of 8, 16, 24 and 32 bits, which become value / 2^(bits-1), and floating-point
// numbers of 32 and 64 bits. A file whose recording was cut off, or that was written to a pipe, is
// read to its end. Throws DataError "<name>: <reason>" for other encodings, which it
// names, for damaged files, and for samples that are not finite.
Sound read_wav(std::span<const std::byte> file, const std::string& name);

enum class WavFormat {
  kPcm16,  // integers: round(32768 x), limited to their range
  kFloat,  // 32-bit floating-point numbers, as they are
};
constexpr auto choice_names(WavFormat) { return name_list("pcm16", "float"); }

// Writes a file of one channel piece by piece. Its size must be known beforehand, because it stands
// in the header.
class WavWriter {
 public:
  using Sink = std::function<void(std::span<const std::byte>)>;

  // Writes the header. Throws DataError if the file would be larger than the 4 GiB that the format
  // allows; whatever `sink` throws passes through.
  WavWriter(Sink sink, std::int64_t rate, std::int64_t samples, WavFormat format);

  // Appends samples. There must be as many in all as the constructor was told.
  void write(std::span<const float> samples);

 private:
  Sink sink_;
  WavFormat format_;
};

}  // namespace ddpm
