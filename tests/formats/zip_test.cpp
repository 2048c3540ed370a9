#include "ddpm/formats/zip.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "ddpm/base/error.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;

// Python's zipfile wrote the files.
std::string corpus(const std::string& name) {
  return testing::content_of(std::filesystem::path(DDPM_SOURCE_DIR) / "tests/fuzz/corpus/zip" /
                             name);
}

std::string error_of(const std::string& file) {
  return testing::message_of<CheckpointError>([&] {
    for (const ZipMember& member : read_zip(testing::as_bytes(file))) member.verify();
  });
}

// Replaces one byte of the file: `skip` bytes after the start of the n-th `text`.
std::string changed(std::string file, const std::string& text, int n, std::size_t skip, char byte) {
  std::size_t position = std::string::npos;
  for (int i = 0; i < n; ++i) position = file.find(text, position + 1);
  file.at(position + skip) = byte;
  return file;
}

const std::string kCentral = "PK\x01\x02";

TEST(Zip, ReadsMembersInPlace) {
  const std::string file = corpus("valid_stored.zip");
  const std::vector<ZipMember> members = read_zip(testing::as_bytes(file));
  ASSERT_EQ(members.size(), 3U);
  EXPECT_EQ(members[0].name, "a/data.pkl");
  EXPECT_EQ(members[1].name, "a/empty");
  EXPECT_TRUE(members[1].bytes.empty());
  EXPECT_EQ(members[2].name, "a/data/0");
  const char* data = reinterpret_cast<const char*>(members[2].bytes.data());
  EXPECT_EQ(std::string(data, members[2].bytes.size()), "12345678");
  EXPECT_TRUE(data > file.data() && data < file.data() + file.size())
      << "the bytes are a part of the file, not a copy";
  for (const ZipMember& member : members) member.verify();
}

TEST(Zip, ReadsWhatPyTorchWritesWithZip64Records) {
  const std::string file = testing::content_of(std::filesystem::path(DDPM_SOURCE_DIR) /
                                               "tests/fuzz/corpus/torch_file/valid_state_dict.pt");
  ASSERT_TRUE(contains(file, "PK\x06\x06"));
  const std::vector<ZipMember> members = read_zip(testing::as_bytes(file));
  EXPECT_EQ(members.front().name, "state_dict/data.pkl");
  for (const ZipMember& member : members) member.verify();
}

// As `cat program.exe photos.zip` makes an archive that unpacks itself.
TEST(Zip, ReadsAnArchiveBehindOtherBytes) {
  const std::string torch = testing::content_of(std::filesystem::path(DDPM_SOURCE_DIR) /
                                                "tests/fuzz/corpus/torch_file/valid_state_dict.pt");
  for (const std::string& archive : {corpus("valid_stored.zip"), torch}) {
    const std::string file = "MZ" + std::string(5000, 'x') + archive;
    const auto members = read_zip(testing::as_bytes(file)),
               alone = read_zip(testing::as_bytes(archive));
    ASSERT_EQ(members.size(), alone.size());
    for (std::size_t i = 0; i < members.size(); ++i) {
      members[i].verify();
      EXPECT_EQ(members[i].name, alone[i].name);
      EXPECT_TRUE(std::ranges::equal(members[i].bytes, alone[i].bytes));
    }
  }
}

TEST(Zip, KnowsItsSignature) {
  EXPECT_TRUE(looks_like_zip(testing::as_bytes(corpus("valid_stored.zip"))));
  EXPECT_FALSE(looks_like_zip(testing::as_bytes("PK")));
  EXPECT_FALSE(looks_like_zip(testing::as_bytes("\x80\x02}.")));
}

// Without compression there are no zip bombs.
TEST(Zip, RefusesCompressedMembers) {
  EXPECT_TRUE(contains(error_of(corpus("deflated.zip")), "member 'a/data.pkl': is compressed"));
}

TEST(Zip, RefusesEveryTruncation) {
  const std::string file = corpus("valid_stored.zip");
  for (std::size_t size = 0; size < file.size(); ++size)
    EXPECT_NE(error_of(file.substr(0, size)), "") << size;
}

TEST(Zip, ChecksumsFindChangedBytes) {
  const std::string file = changed(corpus("valid_stored.zip"), "12345678", 1, 3, 'x');
  EXPECT_TRUE(contains(error_of(file), "member 'a/data/0': damaged: CRC-32"));
}

TEST(Zip, RefusesSizesBeyondTheFile) {
  // Changes size and compressed size of the last member.
  std::string file = changed(corpus("valid_stored.zip"), kCentral, 3, 27, '\x70');
  file = changed(file, kCentral, 3, 23, '\x70');
  EXPECT_TRUE(contains(error_of(file), "reach into the directory"));
  EXPECT_TRUE(contains(error_of(changed(corpus("valid_stored.zip"), kCentral, 3, 24, 9)),
                       "8 bytes stored for a size of 9"));
}

TEST(Zip, RefusesOverlappingMembersAndRepeatedNames) {
  // Adds a second entry that is a copy of the first, with the same name and place.
  std::string file = corpus("valid_stored.zip");
  const std::size_t first = file.find(kCentral), second = file.find(kCentral, first + 1),
                    third = file.find(kCentral, second + 1);
  file.replace(third, std::string::npos, file.substr(first, second - first) + file.substr(third));
  // Corrects the number of entries and the size of the directory in the end record.
  const std::size_t end = file.find("PK\x05\x06");
  file[end + 8] = file[end + 10] = 4;
  file[end + 12] = static_cast<char>(end - first);
  EXPECT_TRUE(contains(error_of(file), "member 'a/data.pkl': appears twice"));

  // Makes the member in the middle so long that it covers its neighbour.
  file = changed(corpus("valid_stored.zip"), kCentral, 2, 24, 20);
  file = changed(file, kCentral, 2, 20, 20);
  EXPECT_TRUE(contains(error_of(file), "overlaps member 'a/empty'"));
}

TEST(Zip, RefusesAnotherNameInTheMembersOwnHeader) {
  EXPECT_TRUE(contains(error_of(changed(corpus("valid_stored.zip"), "a/empty", 1, 2, 'x')),
                       "another name"));
}

TEST(Zip, RefusesEncryptionAndSplitArchives) {
  EXPECT_TRUE(
      contains(error_of(changed(corpus("valid_stored.zip"), kCentral, 1, 8, 1)), "encrypted"));
  EXPECT_TRUE(
      contains(error_of(changed(corpus("valid_stored.zip"), "PK\x05\x06", 1, 4, 1)), "split"));
}

TEST(Zip, BelievesNoCount) {
  std::string file = changed(corpus("valid_stored.zip"), "PK\x05\x06", 1, 11, '\x40');
  EXPECT_TRUE(contains(error_of(file), "members do not fit a directory"));
}

}  // namespace
}  // namespace ddpm
