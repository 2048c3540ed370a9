#include "ddpm/architecture/hifi_gan.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "support/files.h"
#include "support/hifi_gan.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::message_of;

nlohmann::json published(int version) { return read_json_file(testing::hifi_gan_path(version)); }

std::string refusal(const nlohmann::json& document) {
  return message_of<CheckpointError>([&] { read_hifi_gan_config(document, "config.json"); });
}

// The published version 1 with one key changed.
std::string refusal(const char* key, const nlohmann::json& value) {
  nlohmann::json document = published(1);
  document[key] = value;
  return refusal(document);
}

TEST(HifiGanConfig, ReadsThePublishedVersions) {
  const HifiGanConfig v1 = read_hifi_gan_config(published(1), "v1");
  EXPECT_EQ(v1.channels, 512);
  EXPECT_EQ(v1.upsample_rates, (std::vector<std::int64_t>{8, 8, 2, 2}));
  EXPECT_EQ(v1.resblock, HifiGanBlockKind::kTwoConvolutions);
  EXPECT_EQ(hop_of(v1), 256);
  EXPECT_EQ(v1.mel.bands, 80);
  EXPECT_EQ(v1.mel.highest, 8000);
  const HifiGanConfig v3 = read_hifi_gan_config(published(3), "v3");
  EXPECT_EQ(v3.channels, 256);
  EXPECT_EQ(v3.resblock, HifiGanBlockKind::kOneConvolution);
  EXPECT_EQ(v3.resblock_dilation_sizes.at(2), (std::vector<std::int64_t>{3, 12}));
}

TEST(HifiGanConfig, TakesWhatOtherProgramsWrite) {
  nlohmann::json document = published(1);
  document["resblock"] = 1;
  document["fmax"] = nullptr;
  document["batch_size"] = 16;
  const HifiGanConfig config = read_hifi_gan_config(document, "config.json");
  EXPECT_EQ(config.resblock, HifiGanBlockKind::kTwoConvolutions);
  EXPECT_EQ(config.mel.highest, 11025);
}

TEST(HifiGanConfig, NamesTheKeyOfAMistake) {
  EXPECT_TRUE(contains(refusal("upsample_kernel_sizes", {16, 16, 4}),
                       "config.json: upsample_kernel_sizes = [16,16,4]: must have as many elements "
                       "as upsample_rates: 4"));
  EXPECT_TRUE(contains(refusal("upsample_kernel_sizes", {16, 15, 4, 4}),
                       "15 must be 8 plus an even number, since upsample_rates[1] is 8"));
  EXPECT_TRUE(contains(refusal("upsample_kernel_sizes", {16, 6, 4, 4}), "6 must be 8 plus"));
  EXPECT_TRUE(contains(refusal("resblock", "3"), "resblock = \"3\": unknown"));
  EXPECT_TRUE(contains(refusal("resblock_kernel_sizes", {3, 7}), "as many lists"));
  EXPECT_TRUE(contains(refusal("resblock_kernel_sizes", {3, 8, 11}), "must be odd"));
  EXPECT_TRUE(contains(refusal("resblock_dilation_sizes", {{1, 3}, {1, 3}, {1, 3}}),
                       "each list must have 3 elements"));
  EXPECT_TRUE(contains(refusal("resblock_dilation_sizes", {1, 3, 5}), "must be a list of lists"));
  EXPECT_TRUE(contains(refusal("resblock_dilation_sizes", {{1, 3, 0}, {1, 3, 5}, {1, 3, 5}}),
                       "must be in [1, 1048576]"));
  EXPECT_TRUE(contains(refusal("upsample_initial_channel", 100), "divisible by 2^4"));
  EXPECT_TRUE(contains(refusal("hop_size", 300), "must be the product of upsample_rates, 256"));
  EXPECT_TRUE(contains(refusal("upsample_rates", {1 << 20, 8, 2, 2}), "upsample_kernel_sizes"));
  EXPECT_TRUE(contains(refusal("fmax", 12000), "half the sampling rate"));
  EXPECT_TRUE(contains(refusal("fmin", "low"), "must be a number"));
  nlohmann::json document = published(1);
  document.erase("upsample_rates");
  EXPECT_TRUE(contains(refusal(document), "upsample_rates: is missing"));
  EXPECT_TRUE(contains(refusal(nlohmann::json::array()), "not a JSON object"));
}

TEST(HifiGanConfig, RefusesRatesThatMultiplyToTooMuch) {
  nlohmann::json document = published(1);
  document["upsample_rates"] = {1 << 20, 1 << 20, 2, 2};
  document["upsample_kernel_sizes"] = {1 << 20, 1 << 20, 4, 4};
  EXPECT_TRUE(contains(refusal(document), "their product must be at most 1048576"));
}

}  // namespace
}  // namespace ddpm
