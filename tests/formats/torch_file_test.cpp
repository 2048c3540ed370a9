#include "ddpm/formats/torch_file.h"

#include <gtest/gtest.h>

#include <cstring>

#include "ddpm/base/error.h"
#include "support/files.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::TemporaryFolder;

// PyTorch 2.11 wrote the files, see tests/golden/torch_files.py.
fs::path corpus(const std::string& name) {
  return fs::path(DDPM_SOURCE_DIR) / "tests/fuzz/corpus/torch_file" / name;
}

std::string error_of(const fs::path& path) {
  const std::string message = testing::message_of<CheckpointError>([&] { read_torch_file(path); });
  EXPECT_TRUE(contains(message, path.string())) << message;
  return message;
}

template <class T>
std::vector<T> values(const TensorView& tensor) {
  std::vector<T> result(tensor.bytes.size() / sizeof(T));
  std::memcpy(result.data(), tensor.bytes.data(), tensor.bytes.size());
  return result;
}

void expect_state_dict(const fs::path& path) {
  const std::vector<StateDict> dicts = read_torch_file(path);
  ASSERT_EQ(dicts.size(), 1U);
  EXPECT_EQ(dicts[0].name, "");
  const TensorSet& set = dicts[0].set;
  EXPECT_EQ(set.tensors.size(), 13U);
  EXPECT_EQ(set.find("none"), nullptr);
  const auto get = [&](const char* name) -> const TensorView& { return *set.find(name); };
  using Shape = std::vector<std::int64_t>;
  EXPECT_EQ(get("plain").shape, (Shape{2, 3}));
  EXPECT_EQ(values<float>(get("plain")), (std::vector<float>{-1, -0.5, 0, 0.5, 1, 1.5}));
  EXPECT_EQ(get("transposed").shape, (Shape{4, 3}));
  EXPECT_EQ(values<float>(get("transposed")),
            (std::vector<float>{-1, 1, 3, -0.5, 1.5, 3.5, 0, 2, 4, 0.5, 2.5, 4.5}));
  EXPECT_EQ(values<float>(get("part")), (std::vector<float>{1.5, 2, 3.5, 4}));
  EXPECT_EQ(get("half").dtype, DType::kF16);
  EXPECT_EQ(values<std::uint16_t>(get("half")), (std::vector<std::uint16_t>{0xbc00, 0xb800, 0}));
  EXPECT_EQ(get("brain").dtype, DType::kBF16);
  EXPECT_EQ(values<std::uint16_t>(get("brain")), (std::vector<std::uint16_t>{0xbf80, 0xbf00, 0}));
  EXPECT_EQ(values<double>(get("double")), (std::vector<double>{-1, -0.5}));
  EXPECT_EQ(values<std::int64_t>(get("long")), (std::vector<std::int64_t>{-1, 0}));
  EXPECT_EQ(values<std::uint8_t>(get("byte")), (std::vector<std::uint8_t>{0, 255}));
  EXPECT_EQ(get("flag").dtype, DType::kBool);
  EXPECT_TRUE(get("scalar").shape.empty());
  EXPECT_EQ(values<float>(get("scalar")), (std::vector<float>{-1}));
  EXPECT_EQ(get("empty").shape, (Shape{3, 0}));
  EXPECT_EQ(values<float>(get("parameter")), (std::vector<float>{-1, -0.5}));
  const std::vector<float> image = values<float>(get("channels_last"));
  for (std::size_t i = 0; i < image.size(); ++i)
    EXPECT_EQ(image[i], static_cast<float>(i) * 0.5F - 1) << "row-major for all strides";
}

TEST(TorchFile, ReadsAStateDict) { expect_state_dict(corpus("valid_state_dict.pt")); }
TEST(TorchFile, ReadsProtocol4) { expect_state_dict(corpus("valid_protocol4.pt")); }

TEST(TorchFile, ReadsFilesOfBeforeVersion16) {
  const std::vector<StateDict> dicts = read_torch_file(corpus("legacy.pt"));
  ASSERT_EQ(dicts.size(), 1U);
  EXPECT_EQ(values<float>(*dicts[0].set.find("w")), (std::vector<float>{1, 1}));
}

TEST(TorchFile, FindsEveryDictionaryOfATrainingCheckpoint) {
  const std::vector<StateDict> dicts = read_torch_file(corpus("valid_training.pt"));
  std::vector<std::string> names;
  for (const StateDict& dict : dicts) names.push_back(dict.name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"net_model", "ema_model", "optim.state.0", "optim.state.1"}));
  EXPECT_EQ(values<float>(*dicts[0].set.find("weight")).front(), 1);
  EXPECT_EQ(values<float>(*dicts[1].set.find("weight")).front(), 2);
  EXPECT_EQ(dicts[0].set.find("weight")->shape, (std::vector<std::int64_t>{2, 1, 3, 3}));
}

TEST(TorchFile, RefusesToCallAndSaysWhat) {
  fs::remove("/tmp/ddpm-was-here");
  EXPECT_TRUE(contains(error_of(corpus("malicious.pt")), "refers to posix.system"));
  EXPECT_FALSE(fs::exists("/tmp/ddpm-was-here"));
}

TEST(TorchFile, RefusesEveryTruncation) {
  const TemporaryFolder folder;
  for (const char* name : {"valid_state_dict.pt", "legacy.pt"}) {
    const std::string bytes = testing::content_of(corpus(name));
    for (std::size_t size = 0; size < bytes.size(); size += 7)
      error_of(folder.write("x.pt", bytes.substr(0, size)));
  }
}

TEST(TorchFile, RefusesWhatIsNone) {
  const TemporaryFolder folder;
  error_of(folder / "missing.pt");
  error_of(folder.path());
  EXPECT_TRUE(contains(error_of(folder.write("text.pt", "hello, world")), "torch.save"));
  const std::string zip =
      testing::content_of(fs::path(DDPM_SOURCE_DIR) / "tests/fuzz/corpus/zip/deflated.zip");
  EXPECT_TRUE(contains(error_of(folder.write("deflated.pt", zip)), "is compressed"));
  const std::string other =
      testing::content_of(fs::path(DDPM_SOURCE_DIR) / "tests/fuzz/corpus/zip/valid_stored.zip");
  EXPECT_TRUE(contains(error_of(folder.write("other.pt", other)), "it holds "));
}

// A legacy file {"w": ones(2)}. Its pickle can be changed because it has no checksum.
class ChangedPickle : public ::testing::Test {
 protected:
  std::string error_after(const std::string& from, const std::string& to) {
    std::string bytes = testing::content_of(corpus("legacy.pt"));
    const std::size_t position = bytes.find(from);
    EXPECT_NE(position, std::string::npos) << from;
    bytes.replace(position, from.size(), to);
    return error_of(folder_.write("x.pt", bytes));
  }
  TemporaryFolder folder_;
};

// The pickle has: K offset, K 2 (size) tuple, K 1 (stride) tuple.
TEST_F(ChangedPickle, ShapesAreCheckedAgainstTheStorage) {
  const std::string shape = "K\x02\x85", stride = "K\x01\x85";
  EXPECT_TRUE(
      contains(error_after(shape, "K\x03\x85"), "tensor 'w': its shape reaches beyond the 2"));
  EXPECT_TRUE(contains(error_after(stride, "K\x02\x85"), "reaches beyond"));
  EXPECT_TRUE(contains(error_after(shape, "J\xfe\xff\xff\xff\x85"), "reaches beyond"));
  EXPECT_TRUE(contains(error_after(shape, "N\x85"), "the shape is not a whole number"));
  // A stride of 0 would make a tensor of any size from two numbers; it is passed over.
  std::string bomb = testing::content_of(corpus("legacy.pt"));
  bomb.replace(bomb.find(stride), 3, std::string("K\0\x85", 3));
  bomb.replace(bomb.find(shape), 3, "J\xff\xff\xff\x7f\x85");
  EXPECT_TRUE(contains(error_of(folder_.write("bomb.pt", bomb)), "it holds no tensors"));
}

TEST_F(ChangedPickle, UnknownStoragesAreRefused) {
  EXPECT_TRUE(contains(error_after("FloatStorage", "ComplexFloatStorage"), "ComplexFloatStorage"));
}

}  // namespace
}  // namespace ddpm
