#include "ddpm/base/progress.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ddpm/base/error.h"
#include "support/files.h"

namespace ddpm {
namespace {

template <class Action>
std::string stderr_of(const Action& action) {
  ::testing::internal::CaptureStderr();
  action();
  return ::testing::internal::GetCapturedStderr();
}

TEST(ProgressStyle, ParsesItsNames) {
  EXPECT_EQ(parse_choice<ProgressStyle>("auto"), ProgressStyle::kAuto);
  EXPECT_EQ(parse_choice<ProgressStyle>("bar"), ProgressStyle::kBar);
  EXPECT_EQ(parse_choice<ProgressStyle>("plain"), ProgressStyle::kPlain);
  EXPECT_EQ(parse_choice<ProgressStyle>("json"), ProgressStyle::kJson);
  EXPECT_EQ(parse_choice<ProgressStyle>("off"), ProgressStyle::kOff);
  for (const char* name : {"", "Bar", "none", "barr"})
    EXPECT_EQ(
        testing::message_of<ConfigError>([&] { choose<ProgressStyle>("--progress", name); }),
        std::string("--progress: unknown '") + name + "'; choose from auto, bar, plain, json, off");
}

// Tests have no terminal.
TEST(ProgressStyle, AutoIsPlainWithoutATerminal) {
  const std::string text = stderr_of([] {
    Progress progress(ProgressStyle::kAuto, "training", "steps", 2);
    progress.update(2, "done");
  });
  EXPECT_EQ(text, "training 2/2 steps (100 %), done, 0 s left\n");
}

TEST(Progress, FirstAndLastUpdatesShow) {
  stderr_of([] {
    for (const ProgressStyle style :
         {ProgressStyle::kBar, ProgressStyle::kPlain, ProgressStyle::kJson}) {
      Progress progress(style, "training", "steps", 100);
      EXPECT_TRUE(progress.due(1));
      progress.update(1, "x");
      EXPECT_TRUE(progress.due(100));
      EXPECT_TRUE(progress.due(101));
    }
  });
}

TEST(Progress, UpdatesInBetweenAreHeldBack) {
  const std::string text = stderr_of([] {
    Progress progress(ProgressStyle::kPlain, "training", "steps", 1000);
    for (int i = 1; i < 1000; ++i) progress.update(i, "loss 0.5");  // takes less than ten seconds
  });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST(Progress, OffIsSilent) {
  EXPECT_EQ(stderr_of([] {
              Progress progress(ProgressStyle::kOff, "training", "steps", 2);
              EXPECT_FALSE(progress.due(2));
              progress.update(2, "x");
              progress.clear();
            }),
            "");
}

TEST(Progress, PlainIsALineWithoutControlCharacters) {
  const std::string text = stderr_of([] {
    Progress progress(ProgressStyle::kPlain, "training", "steps", 8);
    progress.update(8, "loss 0.5");
  });
  EXPECT_EQ(text, "training 8/8 steps (100 %), loss 0.5, 0 s left\n");
}

TEST(Progress, JsonIsAnObjectALine) {
  const std::string text = stderr_of([] {
    Progress progress(ProgressStyle::kJson, "sampling", "images", 4, 4);
    progress.update(4, "t = 0");
  });
  EXPECT_EQ(text,
            "{\"task\":\"sampling\",\"done\":4,\"total\":4,\"unit\":\"images\",\"seconds_left\":"
            "0.0,\"note\":\"t = 0\"}\n");
}

TEST(Progress, TellsTheTimeLeftAsSoonAsItCan) {
  const auto line = [](ProgressStyle style, double done) {
    return stderr_of([&] {
      Progress progress(style, "sampling", "images", 4, 1);
      progress.update(done, "t = 9");
    });
  };
  EXPECT_EQ(line(ProgressStyle::kPlain, 1), "sampling 1/4 images (25 %), t = 9\n");
  EXPECT_EQ(line(ProgressStyle::kJson, 1),
            "{\"task\":\"sampling\",\"done\":1,\"total\":4,\"unit\":\"images\",\"seconds_left\":"
            "null,\"note\":\"t = 9\"}\n");
  // Half an image counts in the percentage.
  EXPECT_EQ(line(ProgressStyle::kPlain, 1.5), "sampling 1/4 images (38 %), t = 9, 0 s left\n");
}

TEST(Progress, TheBarIsRedrawnAndGoesAway) {
  const std::string text = stderr_of([] {
    Progress progress(ProgressStyle::kBar, "training", "steps", 4);
    progress.update(2, "loss 0.5");
    progress.clear();
    progress.clear();
  });
  EXPECT_TRUE(text.starts_with("\rtraining [############............] 2/4 steps (50 %), loss 0.5"))
      << text;
  EXPECT_TRUE(text.ends_with("\x1b[K\r\x1b[K")) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\r'), 2);
}

TEST(Progress, SurvivesOddTotals) {
  stderr_of([] {
    Progress none(ProgressStyle::kBar, "t", "u", 0);
    none.update(0, "");
    none.update(5, "");
    Progress beyond(ProgressStyle::kBar, "t", "u", 10, 20);
    beyond.update(30, "");
  });
}

}  // namespace
}  // namespace ddpm
