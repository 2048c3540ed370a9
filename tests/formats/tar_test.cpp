#include "ddpm/formats/tar.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "ddpm/formats/gzip.h"
#include "support/files.h"
#include "support/gzip.h"
#include "support/tar.h"

namespace ddpm {
namespace {

using testing::as_bytes;
using testing::contains;
using testing::from_hex;
using testing::tar_end;
using testing::tar_header;
using testing::tar_member;

// "name=content;" for every member.
std::string listing(ByteReader& source, TarLimits limits = {}) {
  TarReader tar(source, limits);
  std::string text;
  while (const auto member = tar.next()) {
    const auto content = tar.read();
    text += member->name + "=" + std::string(content.begin(), content.end()) + ";";
  }
  return text;
}

std::string listing(const std::string& archive, TarLimits limits = {}) {
  MemoryReader source(as_bytes(archive), "a.tar");
  return listing(source, limits);
}

std::string error_of(const std::string& archive, TarLimits limits = {}) {
  return testing::message_of<DataError>([&] { listing(archive, limits); });
}

TEST(Tar, YieldsRegularMembersOnly) {
  const std::string archive = tar_member("folder/", "", '5') +
                              tar_member("./folder//a.bin", "abc") + tar_member("link", "", '2') +
                              tar_member("b", std::string(512, 'x')) + tar_member("c", "", '\0') +
                              tar_end();
  EXPECT_EQ(listing(archive), "folder/a.bin=abc;b=" + std::string(512, 'x') + ";c=;");
}

TEST(Tar, SkipsWhatWasNotRead) {
  const std::string archive =
      tar_member("a", std::string(600, 'x')) + tar_member("b", "b") + tar_end();
  MemoryReader source(as_bytes(archive), "a.tar");
  TarReader tar(source);
  EXPECT_EQ(tar.next()->size, 600U);
  EXPECT_EQ(tar.next()->name, "b");
  EXPECT_EQ(tar.next(), std::nullopt);
}

// A member dd..d/ee..e.bin (60 letters each) with content "abc", written by Python's tarfile
// module.
TEST(Tar, ReadsLongNamesOfEveryDialect) {
  const std::string pax = from_hex(
      "1f8b0800000000000203edd33b0ac2401080e1a93dc59e6077f6a15682a5a557d898056d4462841c3f3e40b0"
      "48151211ffaf99659a2996df3aebb6fbdced4aae4b2393d097a1a941d7eff773ef35f824a69319dcae6d6eee"
      "e7e53ff9b83497dc1e37f508ae8c60abd37921f88e39befd11f52aa5c1fe55e367ffd1c714c428fd4f2e5707"
      "22000000000000000000000000f8613d88651b1f00280000");
  const std::string gnu = from_hex(
      "1f8b0800000000000203edd33d0ac3300c40611dc527b0e5dad86b0fe04b244d08a6e0427fee5f4aa0d02153"
      "4821e47d8b8456f1acb3ee5c6e6d2ab55d651b3a5b9aea73faeef33de7e4c514f983d7e3d9dd8d91831a5670"
      "e30ab6af4d7084ff7fa24e312ef6af1a7efb0f3ee8498cd2ffe6bafe42040000000000000000000000003bf6"
      "065c1c7f3400280000");
  const std::string ustar = from_hex(
      "1f8b0800000000000203edcd3b0ac2501005d0594a562009ef91fde457d85824ba7f07ab60255102c239cd1d"
      "6e7167598ebb8cd75b7ca04d7dadaf4cef99caeecebef45d2dd1b47182c7761fd67cffebddf90b719e619c02"
      "000000000000000080fff304e2e29ad200280000");
  const std::string expected = std::string(60, 'd') + "/" + std::string(60, 'e') + ".bin=abc;";
  for (const std::string& archive : {pax, gnu, ustar}) {
    GzipReader source(as_bytes(archive), "a.tar.gz");
    EXPECT_EQ(listing(source), expected);
  }
}

TEST(Tar, RefusesNamesThatClimbOut) {
  for (const char* name : {"../evil", "a/../../evil", "/etc/passwd", "a/.."}) {
    const std::string error = error_of(tar_member("good", "x") + tar_member(name, "x") + tar_end());
    EXPECT_EQ(error, "a.tar: member '" + std::string(name) + "' would leave the archive's folder");
  }
  EXPECT_TRUE(contains(
      error_of(tar_member("long", std::string("../evil\0", 8), 'L') + tar_member("x", "x")),
      "'../evil' would leave"));
  EXPECT_TRUE(contains(error_of(tar_member("pax", "16 path=../evil\n", 'x') + tar_member("x", "x")),
                       "'../evil' would leave"));
}

TEST(Tar, DetectsTruncationAndDamage) {
  const std::string archive = tar_member("a", "abc") + tar_member("b", "def") + tar_end();
  for (const std::size_t size : {1U, 511U, 513U, 600U, 1100U, 1540U})
    EXPECT_TRUE(
        contains(error_of(archive.substr(0, size)), size < 512 ? "not a tar archive" : "truncated"))
        << size;
  std::string damaged = archive;
  damaged[1024] ^= 1;
  EXPECT_EQ(error_of(damaged), "a.tar: damaged tar header (wrong checksum)");
  EXPECT_EQ(error_of(std::string(2048, 'x')), "a.tar: not a tar archive");
  EXPECT_EQ(error_of(""), "a.tar: not a tar archive");
}

TEST(Tar, LimitsMembersAndSizes) {
  const std::string archive = tar_member("a", "abc") + tar_member("b", "def") + tar_end();
  EXPECT_TRUE(contains(error_of(archive, {.max_members = 1}), "more than 1 members"));
  EXPECT_TRUE(contains(error_of(archive, {.max_member_bytes = 2}), "claims 3 bytes"));
  // The header claims 8 GiB - 1, and no content follows.
  EXPECT_TRUE(contains(error_of(tar_header("a", 077777777777)), "claims 8589934591 bytes"));
  EXPECT_TRUE(contains(error_of(tar_header("a", 1 << 30)), "truncated"));
  EXPECT_TRUE(contains(error_of(tar_header("x", 1 << 30, 'x')), "too long"));
}

TEST(Tar, RefusesDamagedPaxRecords) {
  for (const char* record : {"999 path=a\n", "x path=a\n", "11 path=abcd", "13 size=12x4\n"})
    EXPECT_TRUE(
        contains(error_of(tar_member("p", record, 'x') + tar_member("a", "")), "damaged pax"))
        << record;
}

// `cat a.tar b.tar`: tar itself reads the second only with --ignore-zeros.
TEST(Tar, ReadsArchivesThatWereJoined) {
  const std::string a = tar_member("a", "abc") + std::string(10240 - 1024, '\0');
  const std::string b = tar_member("b", "def") + tar_end();
  EXPECT_EQ(listing(a + b), "a=abc;b=def;");
  EXPECT_EQ(listing(a + b + a + b), "a=abc;b=def;a=abc;b=def;");
  EXPECT_EQ(listing(a + tar_end()), "a=abc;");
  const std::string both = a + b;
  MemoryReader source(as_bytes(both), "a.tar");
  TarReader tar(source);
  tar.next();
  EXPECT_EQ(tar.next()->offset, a.size() + 512);  // of its content in the whole file
  const std::string joined = testing::gzip(a) + testing::gzip(b);
  GzipReader compressed(as_bytes(joined), "a.tar.gz");
  EXPECT_EQ(listing(compressed), "a=abc;b=def;");
  // What follows an archive and does not begin like one is padding.
  EXPECT_EQ(listing(b + std::string(512, 'x') + a), "b=def;");
}

TEST(Tar, NoticesDamageBehindTheLastMember) {
  std::string archive = testing::gzip(tar_member("a", "abc") + tar_end());
  archive[archive.size() - 5] ^= 1;  // in the checksum
  GzipReader source(as_bytes(archive), "a.tar.gz");
  EXPECT_TRUE(contains(testing::message_of<DataError>([&] { listing(source); }), "damaged gzip"));
}

}  // namespace
}  // namespace ddpm
