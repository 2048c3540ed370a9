#include "ddpm/data/scan.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "ddpm/image/codec.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::from_hex;

TEST(SummarizeData, ListsEveryBrokenFile) {
  const testing::TemporaryFolder folder;
  folder.write("cats/a.png", encode_png(Image(4, 4, 1)));
  folder.write("cats/b.png", encode_png(Image(4, 5, 3)));
  folder.write("dogs/c.png", encode_png(Image(4, 5, 3)));
  folder.write("dogs/d.png", "");
  folder.write("dogs/e.jpg", "text");
  folder.write("dogs/f.png", encode_png(Image(4, 5, 3)).substr(0, 50));
  DataConfig config;
  config.source = DataSource::kFolder;
  config.path = folder.path().string();
  const DataSummary summary = summarize_data(config);
  EXPECT_EQ(summary.count, 3);
  EXPECT_EQ(summary.sizes, (std::map<std::pair<int, int>, std::int64_t>{{{4, 4}, 1}, {{4, 5}, 2}}));
  EXPECT_EQ(summary.channels, (std::map<int, std::int64_t>{{1, 1}, {3, 2}}));
  EXPECT_EQ(summary.classes,
            (std::vector<std::pair<std::string, std::int64_t>>{{"cats", 2}, {"dogs", 1}}));
  ASSERT_EQ(summary.bad.size(), 3U);
  EXPECT_EQ(summary.bad[0].name, (folder / "dogs/d.png").string());
  EXPECT_EQ(summary.bad[0].reason, "empty file (0 bytes)");
  EXPECT_EQ(summary.bad[1].reason, "not a PNG, JPEG, WebP or BMP file");
  EXPECT_EQ(summary.bad[2].reason, "truncated PNG file");
}

TEST(SummarizeData, CountsTheClassesOfAnArray) {
  const testing::TemporaryFolder folder;
  folder.write("train-images-idx3-ubyte", from_hex("00000803"
                                                   "00000002"
                                                   "00000001"
                                                   "00000002"
                                                   "0a0a1414"));
  folder.write("train-labels-idx1-ubyte", from_hex("00000801"
                                                   "00000002"
                                                   "0505"));
  DataConfig config;
  config.source = DataSource::kIdx;
  config.path = folder.path().string();
  config.height = 99;  // has no effect: the summary describes the data as stored
  const DataSummary summary = summarize_data(config);
  EXPECT_EQ(summary.sizes, (std::map<std::pair<int, int>, std::int64_t>{{{1, 2}, 2}}));
  // Classes are counted from 0, so that their position is their number.
  EXPECT_EQ(summary.classes, (std::vector<std::pair<std::string, std::int64_t>>{
                                 {"0", 0}, {"1", 0}, {"2", 0}, {"3", 0}, {"4", 0}, {"5", 2}}));
  config.path = (folder / "none").string();
  EXPECT_THROW(summarize_data(config), DataError);
}

}  // namespace
}  // namespace ddpm
