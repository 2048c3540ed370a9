#include "ddpm/base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "ddpm/base/error.h"
#include "ddpm/base/log.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::as_bytes;
using testing::contains;
using testing::content_of;
using testing::message_of;
using testing::TemporaryFolder;

std::vector<std::string> entries(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(ReadFile, ReturnsAllBytes) {
  const TemporaryFolder folder;
  const std::string bytes("a\0b\r\n\xff", 6);
  EXPECT_EQ(read_file(folder.write("a", bytes)), bytes);
  EXPECT_EQ(read_file(folder.write("empty", "")), "");
}

TEST(ReadFile, TakesAtMostTheAllowedBytes) {
  const TemporaryFolder folder;
  const fs::path file = folder.write("a", "12345");
  EXPECT_EQ(read_file(file, 5), "12345");
  const std::string message = message_of<IoError>([&] { read_file(file, 4); });
  EXPECT_TRUE(contains(message, file.string())) << message;
  EXPECT_TRUE(contains(message, "5 bytes are more than the 4 allowed")) << message;
}

// The file is sparse: its size is 8 EiB - 1, or as near to that as the file system allows.
TEST(ReadFile, AllocatesNothingForATooLargeFile) {
  const TemporaryFolder folder;
  const fs::path file = folder.write("a", "");
  ASSERT_EQ(::truncate(file.c_str(), off_t{1} << 40), 0);
  EXPECT_THROW(read_file(file), IoError);
}

TEST(ReadFile, RefusesWhatIsNoFile) {
  const TemporaryFolder folder;
  EXPECT_TRUE(contains(message_of<IoError>([&] { read_file(folder / "none"); }), "No such file"));
  EXPECT_TRUE(
      contains(message_of<IoError>([&] { read_file(folder.path()); }), "not a regular file"));
  EXPECT_THROW(read_file("/dev/zero"), IoError);
}

TEST(WriteFileAtomically, ReplacesAndLeavesNothingBeside) {
  const TemporaryFolder folder;
  const fs::path file = folder / "a.json";
  write_file_atomically(file, "first, longer");
  write_file_atomically(file, std::string_view("s\0cond", 6));
  EXPECT_EQ(content_of(file), std::string("s\0cond", 6));
  EXPECT_EQ(entries(folder.path()), (std::vector<std::string>{"a.json"}));
}

TEST(WriteFileAtomically, ReplacesALinkNotItsTarget) {
  const TemporaryFolder folder;
  folder.write("target", "old");
  fs::create_symlink(folder / "target", folder / "link");
  write_file_atomically(folder / "link", "new");
  EXPECT_EQ(content_of(folder / "target"), "old");
  EXPECT_EQ(content_of(folder / "link"), "new");
}

TEST(WriteFileAtomically, FailsWithoutItsFolder) {
  const TemporaryFolder folder;
  const std::string message =
      message_of<IoError>([&] { write_file_atomically(folder / "no/a.json", "x"); });
  EXPECT_TRUE(contains(message, "no/a.json")) << message;
  EXPECT_TRUE(entries(folder.path()).empty());
}

TEST(WriteFileAtomically, AFolderInTheWayStaysAndNothingIsLeftBeside) {
  const TemporaryFolder folder;
  folder.write("a/inside", "x");
  EXPECT_THROW(write_file_atomically(folder / "a", "x"), IoError);
  EXPECT_EQ(entries(folder.path()), (std::vector<std::string>{"a"}));
  EXPECT_EQ(content_of(folder / "a/inside"), "x");
}

TEST(WriteFileAtomically, OldContentSurvivesAFailingWrite) {
  const TemporaryFolder folder;
  folder.write("a", "old");
  fs::create_directory(folder / "a.tmp");  // the new content is written here first
  EXPECT_THROW(write_file_atomically(folder / "a", "new"), IoError);
  EXPECT_EQ(content_of(folder / "a"), "old");
}

TEST(FileWriter, AppendsPartsAndReplacesTheFileOnceFinished) {
  const TemporaryFolder folder;
  folder.write("a", "something longer that was there before");
  {
    FileWriter writer(folder / "a");
    writer.write(as_bytes("one "));
    writer.write({});
    writer.write(as_bytes("two"));
    EXPECT_EQ(content_of(folder / "a"), "something longer that was there before");
    writer.finish();
  }
  EXPECT_EQ(content_of(folder / "a"), "one two");
  EXPECT_EQ(list_files_recursively(folder.path()), std::vector<fs::path>{"a"});
}

TEST(FileWriter, LeavesNothingUnlessFinished) {
  const TemporaryFolder folder;
  folder.write("a", "old");
  {
    FileWriter writer(folder / "a");
    writer.write(as_bytes("half"));
  }
  EXPECT_EQ(content_of(folder / "a"), "old");
  EXPECT_EQ(list_files_recursively(folder.path()), std::vector<fs::path>{"a"});
  EXPECT_THROW(FileWriter(folder / "no/a"), IoError);
}

TEST(FileWriter, LeavesNothingWhereAFolderIsInTheWay) {
  const TemporaryFolder folder;
  folder.write("a/inside", "x");
  EXPECT_THROW(FileWriter(folder / "a"), IoError);
  EXPECT_EQ(list_files_recursively(folder.path()), std::vector<fs::path>{"a/inside"});
}

// If root runs the program, a rename would succeed and destroy the device.
TEST(FileWriter, LeavesDevicesAndPipesAlone) {
  const TemporaryFolder folder;
  const fs::path pipe = folder / "pipe", link = folder / "link";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  fs::create_symlink(pipe, link);
  for (const fs::path& path : {pipe, link}) {
    const std::string message = message_of<IoError>([&] { FileWriter writer(path); });
    EXPECT_TRUE(contains(message, path.string() + "': it exists and is not a regular file"))
        << message;
  }
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_EQ(entries(folder.path()), (std::vector<std::string>{"link", "pipe"}));
}

TEST(FileWriter, ReportsAFullDisk) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  const TemporaryFolder folder;
  fs::create_symlink("/dev/full", folder / "a.tmp");
  FileWriter writer(folder / "a");
  EXPECT_TRUE(contains(message_of<IoError>([&] { writer.write(as_bytes("x")); }), "No space left"));
}

TEST(LineWriter, AppendsWholeLines) {
  const TemporaryFolder folder;
  folder.write("a", "before\n");
  LineWriter writer(folder / "a");
  writer.append("one");
  EXPECT_EQ(content_of(folder / "a"), "before\none\n");  // written at once, without sync
  writer.append("");
  writer.sync();
  {
    LineWriter second(folder / "a");
    second.append("two");
  }
  writer.append("three");
  EXPECT_EQ(content_of(folder / "a"), "before\none\n\ntwo\nthree\n");
  EXPECT_THROW(LineWriter(folder / "no/a"), IoError);
}

TEST(MappedFile, ShowsTheBytes) {
  const TemporaryFolder folder;
  MappedFile file(folder.write("a", "bytes"));
  ASSERT_EQ(file.bytes().size(), 5u);
  const MappedFile moved(std::move(file));
  EXPECT_EQ(std::memcmp(moved.bytes().data(), "bytes", 5), 0);
}

TEST(MappedFile, OutlivesTheFilesName) {
  const TemporaryFolder folder;
  const MappedFile file(folder.write("a", "bytes"));
  fs::remove(folder / "a");
  EXPECT_EQ(std::memcmp(file.bytes().data(), "bytes", 5), 0);
}

TEST(MappedFile, AnEmptyFileIsAnEmptySpan) {
  const TemporaryFolder folder;
  EXPECT_TRUE(MappedFile(folder.write("a", "")).bytes().empty());
}

TEST(MappedFile, RefusesWhatIsNoFile) {
  const TemporaryFolder folder;
  EXPECT_THROW(MappedFile(folder / "none"), IoError);
  EXPECT_TRUE(
      contains(message_of<IoError>([&] { MappedFile{folder.path()}; }), "not a regular file"));
}

std::vector<std::string> listing(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::path& path : list_files_recursively(folder)) names.push_back(path.string());
  return names;
}

TEST(ListFiles, IsSortedBytewiseWhateverTheLocale) {
  const TemporaryFolder folder;
  for (const char* name : {"b.png", "a.png", "B.png", "10.png", "9.png", "\xc3\xa4.png"})
    folder.write(name, "");
  EXPECT_EQ(listing(folder.path()), (std::vector<std::string>{"10.png", "9.png", "B.png", "a.png",
                                                              "b.png", "\xc3\xa4.png"}));
}

TEST(ListFiles, GoesIntoFoldersAndLeavesHiddenOnesOut) {
  const TemporaryFolder folder;
  for (const char* name : {"z", "a/b/c/file", "a/file", ".hidden", ".git/config", "a/.cache/x"})
    folder.write(name, "");
  fs::create_directory(folder / "empty");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  fs::create_symlink("nowhere", folder / "dangling");
  EXPECT_EQ(listing(folder.path()), (std::vector<std::string>{"a/b/c/file", "a/file", "z"}));
}

TEST(ListFiles, FollowsLinks) {
  const TemporaryFolder folder, elsewhere;
  elsewhere.write("x", "");
  folder.write("a/y", "");
  fs::create_symlink(elsewhere.path(), folder / "linked");
  fs::create_symlink(elsewhere / "x", folder / "file");
  fs::create_symlink(elsewhere.path(), folder / "twice");
  EXPECT_EQ(listing(folder.path()),
            (std::vector<std::string>{"a/y", "file", "linked/x", "twice/x"}));
}

TEST(ListFiles, SeesAFileOnceDespiteALoopOfLinks) {
  const TemporaryFolder folder;
  folder.write("a/file", "");
  fs::create_directory_symlink("..", folder / "a/up");
  EXPECT_EQ(listing(folder.path()), (std::vector<std::string>{"a/file"}));
}

TEST(ListFiles, NamesLinksThatLeadNowhere) {
  const TemporaryFolder folder;
  folder.write("file", "");
  const auto warning = [&] {
    ::testing::internal::CaptureStderr();
    set_up_logging({});
    EXPECT_EQ(listing(folder.path()), (std::vector<std::string>{"file"}));
    return ::testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(warning(), "");
  fs::create_symlink("dogs", folder / "dogs");  // to itself
  EXPECT_TRUE(contains(warning(), "passed over '" + (folder / "dogs").string() + "': a link"));
  fs::create_symlink("nowhere", folder / "cats");
  fs::create_directory_symlink(".", folder / "birds");
  EXPECT_TRUE(contains(warning(), "passed over '" + (folder / "birds").string() + "' and 2 more"));
}

// With two links to a parent folder there are 2^n paths of depth n.
TEST(ListFiles, EndsForManyLoopsOfLinks) {
  const TemporaryFolder folder;
  folder.write("file", "");
  for (const char* name : {"a", "b", "c"}) fs::create_directory_symlink(".", folder / name);
  EXPECT_EQ(listing(folder.path()), (std::vector<std::string>{"file"}));
}

TEST(ListFiles, RefusesAMissingFolder) {
  const TemporaryFolder folder;
  EXPECT_TRUE(contains(message_of<IoError>([&] { list_files_recursively(folder / "none"); }),
                       (folder / "none").string()));
  EXPECT_THROW(list_files_recursively(folder.write("file", "")), IoError);
}

TEST(MakeDirectories, CreatesParentsAndExplainsWhyNot) {
  const TemporaryFolder folder;
  make_directories(folder / "a/b/c");
  make_directories(folder / "a/b/c");
  EXPECT_TRUE(fs::is_directory(folder / "a/b/c"));
  folder.write("file", "");
  EXPECT_TRUE(contains(message_of<IoError>([&] { make_directories(folder / "file"); }),
                       (folder / "file").string()));
  EXPECT_THROW(make_directories(folder / "file/below"), IoError);
}

TEST(RenameDurably, NamesBothOnFailure) {
  const TemporaryFolder folder;
  folder.write("a", "1");
  rename_durably(folder / "a", folder / "b");
  EXPECT_EQ(entries(folder.path()), (std::vector<std::string>{"b"}));
  const std::string message =
      message_of<IoError>([&] { rename_durably(folder / "a", folder / "c"); });
  EXPECT_TRUE(contains(message, (folder / "a").string())) << message;
  EXPECT_TRUE(contains(message, (folder / "c").string())) << message;
}

TEST(FreeDiskBytes, WorksForFoldersThatDoNotExistYet) {
  const TemporaryFolder folder;
  EXPECT_GT(free_disk_bytes(folder / "not/yet/there"), 0u);
  EXPECT_GT(free_disk_bytes("relative/path"), 0u);
}

}  // namespace
}  // namespace ddpm
