#include "ddpm/audio/sound.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "ddpm/base/error.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::message_of;
using testing::TemporaryFolder;

// Whether the program was built with the library that the message of this error names.
bool is_without(const std::string& message, const char* library) {
  return contains(message, std::string("built without ") + library);
}

TEST(Sound, KnowsTheExtensions) {
  EXPECT_TRUE(has_sound_extension("a/b.WAV"));
  EXPECT_TRUE(has_sound_extension("b.flac"));
  EXPECT_FALSE(has_sound_extension("b.npy"));
}

TEST(Sound, RefusesWhatIsNoSoundByName) {
  const TemporaryFolder folder;
  const auto path = folder.write("picture.png", "\x89PNG\r\n");
  const std::string message = message_of<DataError>([&] { read_sound(path); });
  EXPECT_TRUE(contains(message, "picture.png: not a ")) << message;
  EXPECT_TRUE(
      contains(message_of<DataError>([&] { read_sound(folder / "none.wav"); }), "none.wav"));
}

// A tone of 440 Hz is the same tone at another rate.
TEST(Sound, IsResampled) {
  const auto tone = [](std::int64_t rate) {
    Sound sound{.rate = rate, .samples = {}};
    for (std::int64_t i = 0; i < rate; ++i)
      sound.samples.push_back(static_cast<float>(std::sin(
          2 * std::numbers::pi * 440 * static_cast<double>(i) / static_cast<double>(rate))));
    return sound;
  };
  Sound converted;
  try {
    converted = at_rate(tone(44100), 22050, "tone");
  } catch (const DataError& error) {
    ASSERT_TRUE(is_without(error.what(), "libsoxr")) << error.what();
    EXPECT_TRUE(contains(error.what(), "ffmpeg -i IN -ar 22050 -ac 1 OUT.wav"));
    GTEST_SKIP() << error.what();
  }
  const Sound expected = tone(22050);
  EXPECT_EQ(converted.rate, 22050);
  ASSERT_EQ(converted.samples.size(), expected.samples.size());
  // At both ends the filter sees silence.
  for (std::size_t i = 2000; i < expected.samples.size() - 2000; ++i)
    ASSERT_NEAR(converted.samples[i], expected.samples[i], 1e-5);
}

TEST(Sound, OfTheRightRateIsNotTouched) {
  const Sound sound{.rate = 22050, .samples = {0.1F, 0.2F}};
  EXPECT_EQ(at_rate(sound, 22050, "x").samples, sound.samples);
}

// 48 samples of a ramp, encoded by the reference encoder of FLAC.
TEST(Sound, OfOtherFormatsIsReadByTheLibrary) {
  const TemporaryFolder folder;
  const auto path = folder.write(
      "ramp.flac",
      testing::from_hex(
          "664c61430000002210001000000015000015056220f000000030d2a2a604c5931c2dd7772d739b22"
          "3a9c0300001200000000000000000000000000000000003084000028200000007265666572656e63"
          "65206c6962464c414320312e342e3220323032323130323200000000fff86608002f021540000064"
          "00fffffffffffc2c78"));
  try {
    const Sound sound = read_sound(path);
    EXPECT_EQ(sound.rate, 22050);
    ASSERT_EQ(sound.samples.size(), 48U);
    for (std::size_t i = 0; i < 48; ++i)
      EXPECT_FLOAT_EQ(sound.samples[i], static_cast<float>(i) * 100 / 32768);
  } catch (const DataError& error) {
    ASSERT_TRUE(is_without(error.what(), "libsndfile")) << error.what();
    GTEST_SKIP() << error.what();
  }
}

}  // namespace
}  // namespace ddpm
