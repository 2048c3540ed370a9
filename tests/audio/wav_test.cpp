#include "ddpm/audio/wav.h"

#include <gtest/gtest.h>

#include <string>

#include "ddpm/base/error.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::as_bytes;
using testing::contains;
using testing::message_of;

// A file of the corpus; Python's struct module wrote them.
Sound read(const char* name) {
  const std::string content =
      testing::content_of(DDPM_SOURCE_DIR "/tests/fuzz/corpus/wav/" + std::string(name));
  return read_wav(as_bytes(content), name);
}

std::string refusal(const char* name) {
  return message_of<DataError>([&] { read(name); });
}

using Samples = std::vector<float>;

TEST(Wav, ReadsIntegersOfEveryWidth) {
  const Sound sound = read("valid_pcm16.wav");
  EXPECT_EQ(sound.rate, 22050);
  EXPECT_EQ(sound.samples, (Samples{0, 0.5F, -1, 32767.0F / 32768, -1.0F / 32768}));
  EXPECT_EQ(read("valid_pcm24_extensible.wav").samples,
            (Samples{8388607.0F / 8388608, -1, 1.0F / 8388608}));
}

TEST(Wav, AveragesChannelsAndPassesOverOtherChunks) {
  const Sound sound = read("valid_pcm8_stereo.wav");
  EXPECT_EQ(sound.channels, 2);
  EXPECT_EQ(sound.samples, (Samples{(-1 + 127.0F / 128) / 2, (0 - 0.5F) / 2}));
}

TEST(Wav, ReadsFloatingPointNumbersAsTheyAre) {
  EXPECT_EQ(read("valid_float.wav").samples, (Samples{0.25F, -1.5F, 0}));
  EXPECT_EQ(read("valid_float64.wav").samples, (Samples{0.25F, -1}));
}

TEST(Wav, ReadsFilesWhoseHeaderDoesNotKnowTheSize) {
  EXPECT_EQ(read("valid_rf64.wav").samples, (Samples{1.0F / 32768, 2.0F / 32768}));
  EXPECT_EQ(read("valid_pipe.wav").samples.size(), 8U);
  EXPECT_EQ(read("valid_cut_off.wav").samples.size(), 3U);
  EXPECT_TRUE(read("valid_cut_off.wav").is_cut_off);
  EXPECT_FALSE(read("valid_pipe.wav").is_cut_off);
}

TEST(Wav, NamesWhatItDoesNotRead) {
  EXPECT_TRUE(
      contains(refusal("mu_law.wav"), "a WAV file of mu-law; this program reads uncompressed"));
  EXPECT_TRUE(contains(refusal("no_channels.wav"), "0 channels; expected 1 to 256"));
  EXPECT_TRUE(contains(refusal("not_finite.wav"), "sample 0 is not a finite number"));
  EXPECT_TRUE(contains(message_of<DataError>([] { read_wav(as_bytes("RIFF"), "x.wav"); }),
                       "x.wav: not a WAV file"));
}

std::string written(const std::vector<Samples>& pieces, WavFormat format) {
  std::int64_t count = 0;
  for (const Samples& piece : pieces) count += static_cast<std::int64_t>(piece.size());
  std::string bytes;
  WavWriter writer(
      [&](std::span<const std::byte> part) {
        bytes.append(reinterpret_cast<const char*>(part.data()), part.size());
      },
      16000, count, format);
  for (const Samples& piece : pieces) writer.write(piece);
  return bytes;
}

// The bytes of Python's wave module for the same samples.
TEST(Wav, WritesTheBytesOfAnotherProgram) {
  EXPECT_EQ(written({{0, 0.5F}, {-1, 1}}, WavFormat::kPcm16),
            testing::from_hex("524946462c00000057415645666d7420100000000100010080"
                              "3e0000007d0000020010006461746108000000000000400080ff7f"));
}

TEST(Wav, RoundsAndLimitsIntegers) {
  const std::string bytes = written({{1.5F / 32768, 2.4F / 32768, 3, -3}}, WavFormat::kPcm16);
  EXPECT_EQ(bytes.substr(44), testing::from_hex("02000200ff7f0080"));
}

TEST(Wav, KeepsFloatingPointNumbers) {
  const Samples samples = {0.1F, -1.5F, 1e-30F};
  const Sound again = read_wav(as_bytes(written({samples}, WavFormat::kFloat)), "again");
  EXPECT_EQ(again.samples, samples);
  EXPECT_EQ(again.rate, 16000);
}

TEST(Wav, RefusesMoreThanTheFormatHolds) {
  const std::string message = message_of<DataError>(
      [] { WavWriter([](auto) {}, 22050, std::int64_t{1} << 31, WavFormat::kPcm16); });
  EXPECT_TRUE(contains(message, "larger than 4 GiB")) << message;
}

}  // namespace
}  // namespace ddpm
