// Files that exist but cannot be accessed are told apart from files that are missing.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/log.h"
#include "support/faulty_file_system.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::message_of;
using testing::TemporaryFolder;
using testing::UnreadableFileSystem;

class Unreadable : public ::testing::TestWithParam<int> {};

TEST_P(Unreadable, IsAnErrorOfItsOwnWhateverIsDone) {
  const TemporaryFolder folder;
  const fs::path file = folder.write("a/b/file", "content");
  UnreadableFileSystem denying(folder / "a", GetParam());
  const ReplaceFileSystem replaced(denying);
  const std::vector<std::function<void()>> attempts = {
      [&] { read_file(file); },
      [&] { MappedFile{file}; },
      [&] { for_each_part(file, [](auto) {}); },
      [&] { file_info(file); },
      [&] { path_exists(file); },
      [&] { is_folder(folder / "a/b"); },
      [&] { list_folder(folder / "a"); },
      [&] { list_files_recursively(folder / "a"); },
      [&] { list_files_recursively(folder.path()); },
  };
  for (const auto& attempt : attempts) {
    const std::string message = message_of<AccessError>(attempt);
    EXPECT_TRUE(contains(message, (folder / "a").string())) << message;
    EXPECT_TRUE(contains(message, std::strerror(GetParam()))) << message;
  }
}

INSTANTIATE_TEST_SUITE_P(Each, Unreadable, ::testing::Values(EACCES, EPERM, EIO, ESTALE, EMFILE));

TEST(UnreadableFile, SaysWhatToDo) {
  const TemporaryFolder folder;
  const fs::path file = folder.write("file", "content");
  for (const auto& [error, advice] : {std::pair{EACCES, "change its permissions"},
                                      {ESTALE, "mount its file system again"},
                                      {EIO, "dmesg"},
                                      {EMFILE, "ulimit -n"}}) {
    UnreadableFileSystem denying(file, error);
    const ReplaceFileSystem replaced(denying);
    const std::string message = message_of<AccessError>([&] { read_file(file); });
    EXPECT_TRUE(contains(message, advice)) << message;
  }
}

// A disk may fail only when the content is read.
TEST(UnreadableFile, MayBeOpenedAllTheSame) {
  const TemporaryFolder folder;
  const fs::path file = folder.write("file", "content");
  UnreadableFileSystem denying(file, EIO, UnreadableFileSystem::Denied::kReading);
  const ReplaceFileSystem replaced(denying);
  EXPECT_THROW(read_file(file), AccessError);
  EXPECT_THROW(for_each_part(file, [](auto) {}), AccessError);
}

TEST(UnreadableFile, IsNotAMissingOne) {
  const TemporaryFolder folder;
  folder.write("file", "");
  for (const char* name : {"none", "none/below", "file/below"}) {
    EXPECT_FALSE(path_exists(folder / name)) << name;
    EXPECT_TRUE(list_folder(folder / name).empty()) << name;
    try {
      read_file(folder / name);
      ADD_FAILURE() << name;
    } catch (const AccessError& error) {
      ADD_FAILURE() << error.what();
    } catch (const IoError&) {
    }
  }
}

TEST(UnreadableFile, IsFoundWithRealPermissionsToo) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const TemporaryFolder folder;
  const fs::path file = folder.write("file", "content");
  fs::permissions(file, fs::perms::none);
  EXPECT_THROW(read_file(file), AccessError);
}

TEST(FileInfo, DescribesWithoutOpening) {
  const TemporaryFolder folder;
  const fs::path file = folder.write("file", "12345");
  fs::create_symlink("file", folder / "link");
  for (const fs::path& path : {file, folder / "link"}) {
    const std::optional<FileInfo> info = file_info(path);
    ASSERT_TRUE(info);
    EXPECT_TRUE(info->is_file && !info->is_folder);
    EXPECT_EQ(info->bytes, 5u);
    EXPECT_LT(std::chrono::system_clock::now() - info->modified, std::chrono::minutes(10));
  }
  EXPECT_TRUE(is_folder(folder.path()));
  EXPECT_FALSE(is_folder(file));
}

TEST(ListFolder, IsSortedAndNamesEverything) {
  const TemporaryFolder folder;
  folder.write("b", "");
  folder.write(".a", "");
  folder.write("c/d", "");
  EXPECT_EQ(list_folder(folder.path()),
            (std::vector<fs::path>{folder / ".a", folder / "b", folder / "c"}));
}

TEST(ForEachPart, GivesTheWholeFileInOrder) {
  const TemporaryFolder folder;
  const std::string content = std::string((1 << 20) - 1, 'a') + "bcd";
  std::string read;
  for_each_part(folder.write("file", content), [&](std::span<const std::byte> part) {
    read.append(reinterpret_cast<const char*>(part.data()), part.size());
  });
  EXPECT_EQ(read, content);
}

// A data set may be a file system of its own. Its lost+found belongs to root.
TEST(ListFiles, PassesOverLostAndFound) {
  const TemporaryFolder folder;
  folder.write("a/image", "");
  folder.write("lost+found/fragment", "");
  folder.write("lost+found.png", "");
  UnreadableFileSystem denying(folder / "lost+found", EACCES);
  const ReplaceFileSystem replaced(denying);
  ::testing::internal::CaptureStderr();
  set_up_logging({});
  EXPECT_EQ(list_files_recursively(folder.path()),
            (std::vector<fs::path>{"a/image", "lost+found.png"}));
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(contains(log, (folder / "lost+found").string())) << log;
}

}  // namespace
}  // namespace ddpm
