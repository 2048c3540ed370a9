#include "ddpm/formats/cifar10.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "support/files.h"
#include "support/gzip.h"
#include "support/tar.h"

namespace ddpm {
namespace {

using testing::contains;

// A record whose red plane is 1, 2, 3, ... (mod 256), green all 50, blue all 60.
std::string record(char label) {
  std::string bytes(1, label);
  for (int i = 1; i <= 1024; ++i) bytes += static_cast<char>(i);
  return bytes + std::string(1024, 50) + std::string(1024, 60);
}

const std::string kMeta =
    "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";

std::string batch_name(int i) { return "data_batch_" + std::to_string(i) + ".bin"; }

void write_batches(const testing::TemporaryFolder& folder, const std::string& prefix = "") {
  for (int i = 1; i <= 5; ++i)
    folder.write(prefix + batch_name(i), record(static_cast<char>(i)) + record(0));
  folder.write(prefix + "test_batch.bin", record(9));
  folder.write(prefix + "batches.meta.txt", kMeta);
}

void expect_content(const Cifar10& data) {
  EXPECT_EQ(data.labels, (std::vector<std::int64_t>{1, 0, 2, 0, 3, 0, 4, 0, 5, 0}));
  ASSERT_EQ(data.pixels.size(), 10U * 3072U);
  // The channels are interleaved: first pixel, second pixel.
  EXPECT_EQ(std::vector<std::uint8_t>(data.pixels.begin(), data.pixels.begin() + 6),
            (std::vector<std::uint8_t>{1, 50, 60, 2, 50, 60}));
  ASSERT_EQ(data.class_names.size(), 10U);
  EXPECT_EQ(data.class_names[9], "truck");
}

std::string error_of(const std::filesystem::path& path) {
  return testing::message_of<DataError>([&] { read_cifar10(path); });
}

TEST(Cifar10, ReadsAFolder) {
  const testing::TemporaryFolder folder;
  write_batches(folder);
  expect_content(read_cifar10(folder.path()));
  EXPECT_EQ(read_cifar10(folder.path(), /*with_test=*/true).labels.back(), 9);
}

TEST(Cifar10, FindsTheFolderInsideTheFolder) {
  const testing::TemporaryFolder folder;
  write_batches(folder, "cifar-10-batches-bin/");
  expect_content(read_cifar10(folder.path()));
}

TEST(Cifar10, ReadsTheArchive) {
  const testing::TemporaryFolder folder;
  std::string tar = testing::tar_member("cifar-10-batches-bin/batches.meta.txt", kMeta) +
                    testing::tar_member("cifar-10-batches-bin/readme.html", "<html>");
  for (const int i : {4, 1, 2, 3, 5})  // the order of the real archive differs too
    tar += testing::tar_member("cifar-10-batches-bin/" + batch_name(i),
                               record(static_cast<char>(i)) + record(0));
  expect_content(
      read_cifar10(folder.write("cifar.tar.gz", testing::gzip(tar + testing::tar_end()))));
}

TEST(Cifar10, NamesWhatIsWrong) {
  const testing::TemporaryFolder folder;
  EXPECT_TRUE(contains(error_of(folder / "nothing"), "no such file or folder"));
  EXPECT_TRUE(contains(error_of(folder.path()), "holds no data_batch_1.bin"));
  write_batches(folder);
  folder.write(batch_name(3), record(0).substr(1));
  EXPECT_TRUE(contains(error_of(folder.path()), "data_batch_3.bin: 3072 bytes are not"));
  folder.write(batch_name(3), record(10));
  EXPECT_TRUE(contains(error_of(folder.path()), "record 0 has label 10"));
  folder.write(batch_name(3), "");
  EXPECT_TRUE(contains(error_of(folder.path()), "0 bytes"));
}

TEST(Cifar10, RefusesATruncatedArchive) {
  const testing::TemporaryFolder folder;
  const std::string archive = testing::gzip(testing::tar_member("data_batch_1.bin", record(1)));
  const auto path = folder.write("c.tar.gz", archive.substr(0, archive.size() / 2));
  EXPECT_TRUE(contains(error_of(path), "truncated gzip data"));
}

}  // namespace
}  // namespace ddpm
