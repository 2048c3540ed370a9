#include "ddpm/data/folder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "ddpm/base/error.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;

TEST(ListImageFolder, SortsFilesAndTakesSubFoldersAsClasses) {
  const testing::TemporaryFolder folder;
  for (const char* name : {"dogs/2.JPG", "cats/deep/er/1.png", "cats/0.bmp", "root.jpeg",
                           "notes.txt", ".hidden/x.png", "empty/readme.md"})
    folder.write(name, "x");
  const ImageFolder found = list_image_folder(folder.path());
  EXPECT_EQ(found.class_names, (std::vector<std::string>{"cats", "dogs"}));
  std::string text;
  for (const FolderImage& image : found.images)
    text += image.path.string() + "=" + std::to_string(image.label) + " ";
  EXPECT_EQ(text, "cats/0.bmp=0 cats/deep/er/1.png=0 dogs/2.JPG=1 root.jpeg=-1 ");
}

TEST(ListImageFolder, SaysWhatIsMissing) {
  const testing::TemporaryFolder folder;
  const auto error_of = [](const std::filesystem::path& path) {
    return testing::message_of<DataError>([&] { list_image_folder(path); });
  };
  EXPECT_TRUE(contains(error_of(folder / "none"), "does not exist"));
  EXPECT_TRUE(contains(error_of(folder.path()), "holds no .png, .jpg, .jpeg or .bmp file"));
  EXPECT_TRUE(contains(error_of(folder.write("file", "x")), "is not a folder"));
  EXPECT_TRUE(contains(error_of(""), "data.path"));
}

TEST(ForEachIndex, DoesEverythingOnce) {
  std::vector<std::atomic<int>> calls(1000);
  const auto reasons =
      for_each_index(1000, {.threads = 4}, false, [&](std::size_t i) { ++calls[i]; });
  EXPECT_EQ(reasons, std::vector<std::string>(1000));
  for (const auto& count : calls) EXPECT_EQ(count, 1);
  EXPECT_TRUE(for_each_index(0, {}, true, [](std::size_t) {}).empty());
}

TEST(ForEachIndex, AlwaysFindsTheSameFirstFailure) {
  for (int repeat = 0; repeat < 50; ++repeat) {
    std::atomic<int> calls = 0;
    const auto reasons = for_each_index(2000, {.threads = 4}, true, [&](std::size_t i) {
      ++calls;
      if (i % 100 == 37) throw DataError("bad " + std::to_string(i));
    });
    std::size_t first = 0;
    while (reasons[first].empty()) ++first;
    EXPECT_EQ(first, 37U);
    EXPECT_EQ(reasons[37], "bad 37");
    EXPECT_LT(calls, 2000);
  }
}

TEST(ForEachIndex, CollectsAllFailuresOnRequest) {
  const auto reasons = for_each_index(100, {.threads = 3}, false, [](std::size_t i) {
    if (i % 10 == 0) throw DataError("bad");
  });
  EXPECT_EQ(std::count(reasons.begin(), reasons.end(), "bad"), 10);
}

TEST(ForEachIndex, PassesOtherErrorsOn) {
  EXPECT_THROW(for_each_index(100, {.threads = 2}, false,
                              [](std::size_t) { throw std::logic_error("bug"); }),
               std::logic_error);
}

TEST(ForEachIndex, StopsOnRequest) {
  std::atomic<int> calls = 0;
  try {
    for_each_index(1'000'000, {.threads = 2, .stop = [&] { return calls > 10; }}, false,
                   [&](std::size_t) {
                     ++calls;
                     std::this_thread::sleep_for(std::chrono::milliseconds(1));
                   });
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kInterrupted);
  }
  EXPECT_LT(calls, 10000);
}

}  // namespace
}  // namespace ddpm
