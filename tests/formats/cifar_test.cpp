#include "ddpm/formats/cifar.h"

#include <gtest/gtest.h>

#include "ddpm/base/bytes.h"
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

void expect_content(const Cifar& data) {
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

// A text or a number of a pickle, as Python 2 wrote them.
std::string short_text(const std::string& text) {
  return "U" + std::string(1, static_cast<char>(text.size())) + text;
}
std::string long_text(const std::string& text) {
  std::string bytes = "T";
  append_little_endian(bytes, text.size(), 4);
  return bytes + text;
}

// An array of NumPy: numpy.core.multiarray._reconstruct(ndarray, (0,), 'b'), then its state.
std::string array(int rows, const std::string& bytes) {
  return std::string("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R",
                     59) +
         "(K\1K" + static_cast<char>(rows) + std::string("M\0\x0c\x86", 4) +
         std::string(
             "cnumpy\ndtype\nU\2u1K\0K\1\x87R(K\3U\1|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89",
             47) +
         long_text(bytes) + "tb";
}

// The same as Python 3 writes it with protocol 5: numpy._core.numeric._frombuffer(bytes, type, shape, order).
std::string buffer_array(int rows, const std::string& bytes) {
  std::string count;
  append_little_endian(count, bytes.size(), 8);
  return "cnumpy._core.numeric\n_frombuffer\n(\x96" + count + bytes +
         std::string("cnumpy\ndtype\nU\2u1K\0K\1\x87RK", 24) + static_cast<char>(rows) +
         std::string("M\0\x0c\x86", 4) + "U\1CtR";
}

using WriteArray = std::string (*)(int rows, const std::string& bytes);

std::string python_batch(const std::string& labels_key, const std::string& labels,
                         WriteArray write = array) {
  std::string planes, list;
  for (const char label : labels) {
    planes += record(0).substr(1);
    list += std::string("K") + label;
  }
  return "\x80\2}(" + short_text("batch_label") + short_text("a batch") + short_text(labels_key) +
         "](" + list + "e" + short_text("data") + write(static_cast<int>(labels.size()), planes) +
         "u.";
}

std::string python_names(const std::string& key, int count) {
  std::string list;
  for (int i = 0; i < count; ++i) list += short_text("class" + std::to_string(i));
  return "\x80\2}(" + short_text(key) + "](" + list + "eu.";
}

TEST(Cifar10, ReadsThePythonVersion) {
  const testing::TemporaryFolder folder;
  std::string tar;
  for (int i = 1; i <= 5; ++i)
    tar += testing::tar_member("cifar-10-batches-py/data_batch_" + std::to_string(i),
                               python_batch("labels", std::string(1, static_cast<char>(i)) + '\0'));
  tar += testing::tar_member("cifar-10-batches-py/batches.meta", python_names("label_names", 10));
  const Cifar data =
      read_cifar10(folder.write("cifar-10-python.tar.gz", testing::gzip(tar + testing::tar_end())));
  EXPECT_EQ(data.labels, (std::vector<std::int64_t>{1, 0, 2, 0, 3, 0, 4, 0, 5, 0}));
  ASSERT_EQ(data.pixels.size(), 10U * 3072U);
  EXPECT_EQ(std::vector<std::uint8_t>(data.pixels.begin(), data.pixels.begin() + 6),
            (std::vector<std::uint8_t>{1, 50, 60, 2, 50, 60}));
  EXPECT_EQ(data.class_names.at(9), "class9");
}

TEST(Cifar100, ReadsArraysOfProtocolFive) {
  const testing::TemporaryFolder folder;
  folder.write("cifar-100-python/train", python_batch("fine_labels", "\x63\x07", buffer_array));
  const Cifar data = read_cifar100(folder.path());
  EXPECT_EQ(data.labels, (std::vector<std::int64_t>{99, 7}));
  EXPECT_EQ(data.pixels.at(3), 2);
}

TEST(Cifar100, ReadsBothVersionsByTheirFineLabels) {
  const testing::TemporaryFolder binary, python;
  // The first byte is the coarse label.
  binary.write("cifar-100-binary/train.bin", "\x13" + record(99) + "\x13" + record(7));
  std::string names;
  for (int i = 0; i < 100; ++i) names += "class" + std::to_string(i) + "\n";
  binary.write("cifar-100-binary/fine_label_names.txt", names);
  python.write("cifar-100-python/train", python_batch("fine_labels", "\x63\x07"));
  python.write("cifar-100-python/meta", python_names("fine_label_names", 100));
  for (const testing::TemporaryFolder* folder : {&binary, &python}) {
    const Cifar data = read_cifar100(folder->path());
    EXPECT_EQ(data.labels, (std::vector<std::int64_t>{99, 7}));
    EXPECT_EQ(data.pixels.at(3), 2);
    EXPECT_EQ(data.pixels.at(3072 + 1), 50);
    EXPECT_EQ(data.class_names.at(99), "class99");
  }
}

TEST(Cifar100, RefusesWhatIsDamaged) {
  const auto error_of_train = [](const std::string& name, const std::string& content) {
    const testing::TemporaryFolder folder;
    folder.write(name, content);
    return testing::message_of<DataError>([&] { read_cifar100(folder.path()); });
  };
  EXPECT_TRUE(contains(error_of_train("train.bin", record(1)), "3074-byte records"));
  EXPECT_TRUE(contains(error_of_train("train.bin", std::string(1, '\0') + record(100)),
                       "label 100, not 0 to 99"));
  EXPECT_TRUE(contains(error_of_train("train", "x"), "pickle"));
  const std::string good = python_batch("fine_labels", "\1");
  EXPECT_TRUE(
      contains(error_of_train("train", python_batch("labels", "\1")), "no usable 'fine_labels'"));
  EXPECT_TRUE(contains(
      error_of_train("train", good.substr(0, good.size() - 9) + std::string(9, '.')), "train"));
  EXPECT_TRUE(contains(error_of_train("readme", ""), "holds no train.bin"));
}

}  // namespace
}  // namespace ddpm
