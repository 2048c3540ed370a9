// Lets every operation of a write fail once. The file must be old or new, never a mixture.
#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "support/faulty_file_system.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::content_of;
using testing::Fault;
using testing::FaultyFileSystem;
using testing::TemporaryFolder;

class FileFaults : public ::testing::TestWithParam<Fault> {};

TEST_P(FileFaults, AnAtomicWriteIsAllOrNothing) {
  for (int n = 1;; ++n) {
    const TemporaryFolder folder;
    const fs::path file = folder.write("a", "old content");
    FaultyFileSystem faulty(GetParam(), n);
    bool written = false;
    {
      const ReplaceFileSystem replaced(faulty);
      try {
        write_file_atomically(file, "new");
        written = true;
      } catch (const IoError&) {
      }
    }
    if (!faulty.failed()) {
      EXPECT_GT(n, 5);  // open, write, sync, rename, open and sync of the folder
      return;
    }
    if (GetParam() == Fault::kCrash) faulty.lose_unsynced();
    const std::string content = content_of(file);
    EXPECT_TRUE(content == "new" || (content == "old content" && !written)) << n << ": " << content;
  }
}

// A checkpoint is lost if a folder above it is.
TEST_P(FileFaults, NewFoldersAreThereOrAnError) {
  for (int n = 1;; ++n) {
    const TemporaryFolder folder;
    FaultyFileSystem faulty(GetParam(), n);
    bool made = false;
    {
      const ReplaceFileSystem replaced(faulty);
      try {
        make_directories(folder / "a/b/c");
        made = true;
      } catch (const IoError& error) {
        EXPECT_NE(std::string(error.what()).find("folder '"), std::string::npos) << error.what();
      }
    }
    faulty.lose_unsynced();
    EXPECT_TRUE(std::filesystem::is_directory(folder / "a/b/c") || !made) << n;
    if (faulty.failed()) {
      EXPECT_FALSE(made) << n;
      continue;
    }
    EXPECT_EQ(n, 10);  // three folders: make, open and sync each
    return;
  }
}

INSTANTIATE_TEST_SUITE_P(Each, FileFaults,
                         ::testing::Values(Fault::kError, Fault::kDiskFull, Fault::kCrash));

TEST(LineWriter, StartsAnewAfterALineThatFailed) {
  const TemporaryFolder folder;
  FaultyFileSystem faulty(Fault::kError, 3);  // open, write, write
  const ReplaceFileSystem replaced(faulty);
  LineWriter writer(folder / "a");
  writer.append("one");
  EXPECT_THROW(writer.append("torn line"), IoError);
  writer.append("three");
  EXPECT_EQ(content_of(folder / "a"), "one\ntorn \nthree\n");
}

}  // namespace
}  // namespace ddpm
