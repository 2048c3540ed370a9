#include "ddpm/base/log.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "ddpm/base/error.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::content_of;

TEST(FormatText, FollowsStdFormat) {
  EXPECT_EQ(format_text("{} of {:.1f}", 3, 4.0), "3 of 4.0");
  EXPECT_EQ(format_text("{:08}|{:>5}|{:<5}|{:02}", 42, "ab", "cd", 7), "00000042|   ab|cd   |07");
  EXPECT_EQ(format_text("{1} {0} {{}}", "a", std::string("b")), "b a {}");
  EXPECT_EQ(format_text("{} {}", true, false), "true false");
  EXPECT_EQ(format_text("no arguments"), "no arguments");
  EXPECT_EQ(format_text("{}", std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(format_text("{}", std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(format_text("{} {:.3g}", 0.1, 1e-7), "0.1 1e-07");
  EXPECT_EQ(format_text("{}", std::numeric_limits<double>::infinity()), "inf");
}

TEST(FormatText, DoesNotReadItsArgumentsAsPatterns) {
  EXPECT_EQ(format_text("{}", "{0} {} %s"), "{0} {} %s");
}

TEST(FormatText, RefusesAPatternThatDoesNotFit) {
  EXPECT_THROW(format_text("{} {}", 1), std::runtime_error);
  EXPECT_THROW(format_text("{:d}", "text"), std::runtime_error);
  EXPECT_THROW(format_text("{"), std::runtime_error);
}

TEST(WithThousands, GroupsDigits) {
  EXPECT_EQ(with_thousands(0), "0");
  EXPECT_EQ(with_thousands(999), "999");
  EXPECT_EQ(with_thousands(1000), "1,000");
  EXPECT_EQ(with_thousands(35746307), "35,746,307");
  EXPECT_EQ(with_thousands(-999), "-999");
  EXPECT_EQ(with_thousands(-123456), "-123,456");
  EXPECT_EQ(with_thousands(-1234567), "-1,234,567");
  EXPECT_EQ(with_thousands(std::numeric_limits<long long>::max()), "9,223,372,036,854,775,807");
  EXPECT_EQ(with_thousands(std::numeric_limits<long long>::min()), "-9,223,372,036,854,775,808");
}

TEST(FormatBytes, UsesBinaryUnits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes(1536.0 * 1024 * 1024), "1.5 GiB");
  EXPECT_EQ(format_bytes(5.25 * 1024 * 1024), "5.2 MiB");
  EXPECT_EQ(format_bytes(3e15), "2728.5 TiB");
}

TEST(FormatDuration, UsesTwoUnits) {
  EXPECT_EQ(format_duration(0), "0 s");
  EXPECT_EQ(format_duration(-5), "0 s");
  EXPECT_EQ(format_duration(4.4), "4 s");
  EXPECT_EQ(format_duration(59.4), "59 s");
  EXPECT_EQ(format_duration(59.6), "1 min 00 s");
  EXPECT_EQ(format_duration(200), "3 min 20 s");
  EXPECT_EQ(format_duration(3599.6), "1 h 00 min");
  EXPECT_EQ(format_duration(5 * 3600 + 7 * 60 + 59), "5 h 07 min");
  EXPECT_EQ(format_duration(1000000), "277 h 46 min");
}

TEST(Log, WritesMessagesOfItsLevelToTheFile) {
  const testing::TemporaryFolder folder;
  folder.write("a.log", "before\n");
  set_up_logging({.quiet = true, .file = folder / "a.log"});
  log_debug("not this one");
  log_info("loss {:.2f}", 0.125);
  log_warning("{} files", 3);
  log_message(LogLevel::kError, "{} is no placeholder here");
  set_up_logging({});
  const std::string text = content_of(folder / "a.log");
  EXPECT_TRUE(text.starts_with("before\n")) << text;
  EXPECT_FALSE(contains(text, "not this one"));
  EXPECT_TRUE(contains(text, " info loss 0.12\n")) << text;
  EXPECT_TRUE(contains(text, " warning 3 files\n")) << text;
  EXPECT_TRUE(contains(text, " error {} is no placeholder here\n")) << text;
}

TEST(Log, QuietKeepsStandardErrorToWarnings) {
  ::testing::internal::CaptureStderr();
  set_up_logging({.quiet = true});
  log_info("an info");
  log_warning("a warning");
  set_up_logging({.verbose = true});
  log_debug("a debug message");
  set_up_logging({});
  log_debug("too much");
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(text, "a warning\na debug message\n");
}

TEST(Log, AFileThatCannotBeOpenedIsNamed) {
  const testing::TemporaryFolder folder;
  folder.write("file", "");
  EXPECT_TRUE(contains(
      testing::message_of<IoError>([&] { add_log_file(folder / "file/below.log"); }), "below.log"));
}

}  // namespace
}  // namespace ddpm
