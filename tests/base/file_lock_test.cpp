#include "ddpm/base/file_lock.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "ddpm/base/error.h"
#include "support/files.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::message_of;

TEST(FileLock, IsHeldOnceAndNamesItsOwner) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder / "lock";
  {
    const FileLock lock(path);
    const std::string message = message_of<ConfigError>([&] { FileLock{path}; });
    EXPECT_TRUE(contains(message, folder.path().string())) << message;
    EXPECT_TRUE(contains(message, "process " + std::to_string(::getpid()))) << message;
  }
  EXPECT_FALSE(fs::exists(path));
  const FileLock again(path);
}

TEST(FileLock, MovesWithItsOwner) {
  const testing::TemporaryFolder folder;
  FileLock first(folder / "lock");
  const FileLock second(std::move(first));
  EXPECT_THROW(FileLock(folder / "lock"), ConfigError);
}

// A killed process leaves its lock file, but the lock on it ends with the process.
TEST(FileLock, OfADeadProcessIsNoObstacle) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder / "lock";
  const pid_t child = ::fork();
  if (child == 0) {
    const FileLock lock(path);
    ::_exit(0);  // like kill -9: no destructor runs
  }
  ::waitpid(child, nullptr, 0);
  ASSERT_EQ(testing::content_of(path).rfind("process " + std::to_string(child), 0), 0u);
  const FileLock lock(path);
  EXPECT_EQ(testing::content_of(path).rfind("process " + std::to_string(::getpid()), 0), 0u);
}

TEST(FileLock, NeedsItsFolder) {
  const testing::TemporaryFolder folder;
  EXPECT_TRUE(contains(message_of<IoError>([&] { FileLock(folder / "no/lock"); }), "no/lock"));
}

}  // namespace
}  // namespace ddpm
