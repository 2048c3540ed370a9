#include "ddpm/formats/npz.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>
#include <cstdlib>
#include <numeric>

#include "ddpm/base/error.h"
#include "support/files.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::as_bytes;
using testing::content_of;
using testing::TemporaryFolder;

// Reads a little-endian number of `size` bytes.
std::uint32_t number(const std::string& bytes, std::size_t at, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i)
    value |= std::uint32_t{static_cast<unsigned char>(bytes.at(at + i))} << (8 * i);
  return value;
}

struct ZipMember {
  std::string name, content;
};

// Reads a zip file as PKWARE's APPNOTE describes it, from the end; checks every field that a reader
// may look at.
std::vector<ZipMember> unzip(const std::string& zip) {
  std::vector<ZipMember> members;
  const std::size_t end = zip.size() - 22;
  EXPECT_EQ(zip.substr(end, 4), std::string("PK\x05\x06"));
  const std::uint32_t count = number(zip, end + 10, 2), directory = number(zip, end + 16, 4);
  EXPECT_EQ(number(zip, end + 8, 2), count);
  EXPECT_EQ(directory + number(zip, end + 12, 4), end);
  EXPECT_EQ(number(zip, end + 20, 2), 0u);  // no comment
  std::size_t at = directory;
  for (std::uint32_t i = 0; i < count; ++i) {
    EXPECT_EQ(zip.substr(at, 4), std::string("PK\x01\x02"));
    const std::uint32_t size = number(zip, at + 24, 4), length = number(zip, at + 28, 2),
                        local = number(zip, at + 42, 4);
    const std::string name = zip.substr(at + 46, length);
    EXPECT_EQ(zip.substr(local, 4), std::string("PK\x03\x04"));
    // Both headers are equal from "version needed" to the lengths.
    EXPECT_EQ(zip.substr(at + 6, 24), zip.substr(local + 4, 24));
    EXPECT_EQ(number(zip, local + 8, 2), 0u);  // stored
    EXPECT_EQ(number(zip, local + 18, 4), size);
    EXPECT_EQ(number(zip, local + 28, 2), 0u);
    EXPECT_EQ(zip.substr(local + 30, length), name);
    const std::string content = zip.substr(local + 30 + length, size);
    EXPECT_EQ(content.size(), size);
    EXPECT_EQ(number(zip, at + 16, 4), crc32(0, reinterpret_cast<const Bytef*>(content.data()),
                                             static_cast<uInt>(content.size())));
    members.push_back({name, content});
    at += 46 + length + number(zip, at + 30, 2) + number(zip, at + 32, 2);
  }
  EXPECT_EQ(at, end);
  return members;
}

std::string counting(std::size_t size) {
  std::string bytes(size, '\0');
  std::iota(bytes.begin(), bytes.end(), '\0');
  return bytes;
}

TEST(Npz, IsAZipOfNpyMembers) {
  const TemporaryFolder folder;
  const std::string images = counting(2 * 3 * 4 * 3), labels = counting(5);
  const std::vector<NpzArray> arrays = {{"arr_0", {2, 3, 4, 3}, as_bytes(images)},
                                        {"labels", {5}, as_bytes(labels)}};
  write_npz(folder / "a.npz", arrays);
  const auto members = unzip(content_of(folder / "a.npz"));
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(members[0].name, "arr_0.npy");
  EXPECT_EQ(members[1].name, "labels.npy");
  EXPECT_TRUE(members[0].content.ends_with(images));
  EXPECT_TRUE(members[1].content.ends_with(labels));
}

// As in numpy/lib/format.py: magic, version 1.0, the dictionary's length in two bytes, then the
// dictionary. It ends with a newline and is padded so that the data begin at a multiple of 64.
TEST(Npz, NpyHeadersAreNumPys) {
  const TemporaryFolder folder;
  for (const auto& [shape, text] : {std::pair{std::vector<std::int64_t>{3}, std::string("(3,)")},
                                    {{2, 3}, "(2, 3)"},
                                    {{}, "()"},
                                    {{0, 4}, "(0, 4)"},
                                    {{50, 1, 1, 1}, "(50, 1, 1, 1)"}}) {
    std::int64_t size = 1;
    for (const std::int64_t n : shape) size *= n;
    const std::string bytes = counting(static_cast<std::size_t>(size));
    const std::vector<NpzArray> arrays = {{"x", shape, as_bytes(bytes)}};
    write_npz(folder / "a.npz", arrays);
    const std::string npy = unzip(content_of(folder / "a.npz")).at(0).content;
    EXPECT_EQ(npy.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
    const std::uint32_t length = number(npy, 8, 2);
    EXPECT_EQ((10 + length) % 64, 0u);
    std::string header = npy.substr(10, length);
    EXPECT_EQ(header.back(), '\n');
    std::erase(header, ' ');
    std::erase(header, '\n');
    std::string expected = text;
    std::erase(expected, ' ');
    // A trailing comma is optional in a Python tuple, except in a tuple of one element.
    if (shape.size() > 1) header.replace(header.find(",),"), 3, "),");
    EXPECT_EQ(header, "{'descr':'|u1','fortran_order':False,'shape':" + expected + ",}");
    EXPECT_EQ(npy.substr(10 + length), bytes);
  }
}

TEST(Npz, EqualContentGivesEqualBytesAndReplaces) {
  const TemporaryFolder folder;
  const std::string bytes = counting(6);
  const std::vector<NpzArray> arrays = {{"x", {6}, as_bytes(bytes)}};
  folder.write("a.npz", std::string(100000, 'x'));
  write_npz(folder / "a.npz", arrays);
  write_npz(folder / "b.npz", arrays);
  EXPECT_EQ(content_of(folder / "a.npz"), content_of(folder / "b.npz"));
  EXPECT_FALSE(fs::exists(folder / "a.npz.tmp"));
}

TEST(Npz, MayHoldNothing) {
  const TemporaryFolder folder;
  write_npz(folder / "a.npz", {});
  EXPECT_TRUE(unzip(content_of(folder / "a.npz")).empty());
}

TEST(Npz, RefusesWhatTheZipFormatCannotHold) {
  const TemporaryFolder folder;
  const std::byte byte{};
  const std::vector<NpzArray> arrays = {
      {"x", {1}, std::span<const std::byte>(&byte, std::size_t{1} << 32)}};  // never read
  EXPECT_TRUE(testing::contains(
      testing::message_of<IoError>([&] { write_npz(folder / "a.npz", arrays); }), "a.npz"));
  EXPECT_FALSE(fs::exists(folder / "a.npz"));
  EXPECT_THROW(write_npz(folder / "none/a.npz", {}), IoError);
}

TEST(Npz, IsReadByNumPy) {
  if (std::system("python3 -c 'import numpy' > /dev/null 2>&1") != 0)
    GTEST_SKIP() << "python3 with numpy is not installed";
  const TemporaryFolder folder;
  const std::string bytes = counting(24);
  const std::vector<NpzArray> arrays = {{"arr_0", {2, 3, 4, 1}, as_bytes(bytes)}};
  write_npz(folder / "a.npz", arrays);
  const std::string command =
      "python3 -c 'import sys, numpy; a = numpy.load(sys.argv[1])[\"arr_0\"]; "
      "assert a.shape == (2, 3, 4, 1) and a.dtype == \"uint8\" and a[1, 2, 3, 0] == 23' " +
      (folder / "a.npz").string();
  EXPECT_EQ(std::system(command.c_str()), 0);
}

}  // namespace
}  // namespace ddpm
