// tests/golden/tensorboard_events.py printed the expected bytes with TensorBoard's own writer.
#include "ddpm/metrics/tensorboard.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "ddpm/base/error.h"
#include "support/faulty_file_system.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::from_hex;

constexpr double kTime = 1700000000.25;

// Returns the files sorted by name.
std::vector<fs::path> files_in(const fs::path& folder) {
  std::set<fs::path> sorted;
  for (const auto& entry : fs::directory_iterator(folder)) sorted.insert(entry.path());
  return {sorted.begin(), sorted.end()};
}

bool has(const std::string& file, const std::string& event_bytes) {
  return file.find(event_bytes) != std::string::npos;
}

TEST(TensorboardEvents, EqualThoseOfTensorboardsWriter) {
  const auto expect = [](const std::string& event, const std::string& hex) {
    EXPECT_EQ(tensorboard_record(event), from_hex(hex));
  };
  expect(tensorboard_event::file_version(kTime),
         "1800000000000000a37f4b220900001040fc54d9411a0d627261696e2e4576656e743a32338d2fe9");
  expect(tensorboard_event::start(kTime, 301),
         "100000000000000095fbfe180900001040fc54d94110ad023a020801cb79b93b");
  expect(
      tensorboard_event::scalars(kTime, 300,
                                 {{"step", std::int64_t{300}},
                                  {"loss", 0.03125},
                                  {"grad_norm", std::numeric_limits<double>::quiet_NaN()},
                                  {"images", std::int64_t{38400}},
                                  {"lr", 2e-4}}),
      "3500000000000000d6c55de60900001040fc54d94110ac022a270a0b0a046c6f7373150000003d0a0d0a06696d"
      "6167657315000016470a090a026c721517b75139f877d7c7");
  expect(tensorboard_event::text(kTime, 0, "config", "```json\n{}\n```\n"),
         "3a000000000000001295eae20900001040fc54d9412a2f0a2d0a06636f6e666967421908071204120208014"
         "20f6060606a736f6e0a7b7d0a6060600a4a080a060a047465787477a56843");
}

TEST(TensorboardEvents, HoldImages) {
  const std::string png(200, 'x');
  const std::string event = tensorboard_event::image(
      kTime, 1000000, "samples",
      {.file = testing::as_bytes(png), .height = 40, .width = 24, .channels = 3});
  EXPECT_EQ(tensorboard_record(event),
            from_hex("f000000000000000974165aa0900001040fc54d94110c0843d2ae0010add010a0773616d706c6"
                     "57322d10108281018180322c801") +
                png + from_hex("f65cd03a"));
}

TEST(TensorboardWriter, EachProcessHasItsFileAndCountsOn) {
  const testing::TemporaryFolder folder;
  for (const std::int64_t step : {0, 200}) {
    TensorboardWriter writer(folder.path(), step);
    writer.add_text(step, "config", "{}");
    writer.add_scalars(step + 100, {{"loss", 0.5}});
  }
  const std::vector<fs::path> files = files_in(folder.path());
  ASSERT_EQ(files.size(), 2u);
  const std::string first = testing::content_of(files[0]), second = testing::content_of(files[1]);
  for (const fs::path& file : files) EXPECT_TRUE(is_tensorboard_file(file)) << file;
  EXPECT_TRUE(has(first, "brain.Event:2") && has(second, "brain.Event:2"));
  // Events of step 1 and of step 201 with session_log {status: START}.
  EXPECT_TRUE(has(first, from_hex("10013a020801")));
  EXPECT_TRUE(has(second, from_hex("10c9013a020801")));
  EXPECT_TRUE(has(first, "loss") && has(first, "config"));
}

TEST(TensorboardWriter, GoesOnInAnotherFileAfterOneThatCouldNotBeWritten) {
  const testing::TemporaryFolder folder;
  testing::FaultyFileSystem faulty(testing::Fault::kError, 3);  // open, write, write
  const ReplaceFileSystem replaced(faulty);
  TensorboardWriter writer(folder.path(), 0);
  writer.add_scalars(100, {{"loss", 0.5}});
  EXPECT_THROW(writer.add_scalars(200, {{"loss", 0.25}}), IoError);
  writer.add_scalars(300, {{"loss", 0.125}});
  const std::vector<fs::path> files = files_in(folder.path());
  ASSERT_EQ(files.size(), 2u);
  const std::string second = testing::content_of(files[1]);
  EXPECT_TRUE(has(second, from_hex("10653a020801")));  // step 101, START: step 100 counts
  EXPECT_TRUE(has(second, from_hex("150000003e")));    // 0.125
}

TEST(TensorboardWriter, WritesNothingBeforeTheFirstEvent) {
  const testing::TemporaryFolder folder;
  TensorboardWriter writer(folder / "missing", 0);
  EXPECT_FALSE(fs::exists(folder / "missing"));
  EXPECT_THROW(writer.add_scalars(1, {{"loss", 0.5}}), IoError);
}

TEST(TensorboardFile, IsOursByName) {
  EXPECT_TRUE(is_tensorboard_file("a/events.out.tfevents.1700000000.000001.host.7.ddpm"));
  EXPECT_FALSE(is_tensorboard_file("events.out.tfevents.1700000000.host.7.0"));
  EXPECT_FALSE(is_tensorboard_file("notes.ddpm"));
}

}  // namespace
}  // namespace ddpm
