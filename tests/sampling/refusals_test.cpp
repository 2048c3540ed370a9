// Models and outputs that do not fit are refused before anything is computed.
#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "ddpm/sampling/job.h"
#include "support/files.h"
#include "support/models.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::message_of;

LoadedModel model_of(std::int64_t channels, std::int64_t out) {
  LoadedModel model;
  model.config.model = testing::tiny();
  model.config.model.out_channels = out;
  model.config.data.channels = channels;
  model.config.data.height = model.config.data.width = 16;
  return model;
}

TEST(SampleImages, NamesAnUpsampler) {
  const testing::TemporaryFolder folder;
  for (const std::int64_t out : {0, 3}) {  // 0: as many as the input has, which OpenAI's have
    const std::string message = message_of<ConfigError>([&] {
      sample_images(model_of(6, out), {.output = folder / "a.npz", .format = ImageFormat::kNpz});
    });
    for (const char* part : {"upsampler", "low-resolution picture", "ddpm denoise"})
      EXPECT_TRUE(contains(message, part)) << message;
  }
}

TEST(SampleImages, OffersFormatsThatHoldTheChannels) {
  const testing::TemporaryFolder folder;
  for (const std::int64_t channels : {2, 5}) {
    const std::string message = message_of<ConfigError>(
        [&] { sample_images(model_of(channels, 0), {.output = folder / "images"}); });
    for (const char* part : {"channels", "--format safetensors", "--format npz"})
      EXPECT_TRUE(contains(message, part)) << message;
    EXPECT_FALSE(std::filesystem::exists(folder / "images"));
  }
}

}  // namespace
}  // namespace ddpm
