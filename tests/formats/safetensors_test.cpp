#include "ddpm/formats/safetensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "ddpm/base/error.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::from_hex;

// {"a": float32 [[1.5,-2]], "b": int64 [1,-2], "c": uint8 [7]}, metadata {"format": "pt"}, as
// written by the official Python package.
const std::string kOfficialFile = from_hex(
    "c8000000000000007b225f5f6d657461646174615f5f223a7b22666f726d6174223a227074227d2c2262223a"
    "7b226474797065223a22493634222c227368617065223a5b325d2c22646174615f6f666673657473223a5b30"
    "2c31365d7d2c2261223a7b226474797065223a22463332222c227368617065223a5b312c325d2c2264617461"
    "5f6f666673657473223a5b31362c32345d7d2c2263223a7b226474797065223a225538222c22736861706522"
    "3a5b315d2c22646174615f6f666673657473223a5b32342c32355d7d7d2020200100000000000000feffffff"
    "ffffffff0000c03f000000c007");

std::string file_of(const std::string& header, const std::string& data) {
  std::string length(8, '\0');
  const std::uint64_t size = header.size();
  std::memcpy(length.data(), &size, 8);
  return length + header + data;
}

// Reads these bytes as a file. Returns the error without the file's name.
std::string error_of(const std::string& content) {
  const testing::TemporaryFolder folder;
  const auto path = folder.write("m.safetensors", content);
  const std::string message =
      testing::message_of<CheckpointError>([&] { SafetensorsFile file(path); });
  EXPECT_TRUE(message.starts_with(path.string() + ": ")) << message;
  return message.substr(std::min(message.size(), path.string().size() + 2));
}

std::string entry_error(const std::string& fields) {
  return error_of(file_of("{\"t\":{" + fields + "}}", std::string(8, 'x')));
}

std::vector<TensorView> official_tensors(const std::string& storage) {
  const auto bytes = testing::as_bytes(storage);
  return {{"c", DType::kU8, {1}, bytes.subspan(24, 1)},
          {"a", DType::kF32, {1, 2}, bytes.subspan(16, 8)},
          {"b", DType::kI64, {2}, bytes.subspan(0, 16)}};
}

TEST(Safetensors, ReadsAnOfficialFile) {
  const testing::TemporaryFolder folder;
  const SafetensorsFile file(folder.write("m.safetensors", kOfficialFile));
  ASSERT_EQ(file.tensors().size(), 3U);
  const TensorView& a = file.get("a");
  EXPECT_EQ(a.dtype, DType::kF32);
  EXPECT_EQ(a.shape, (std::vector<std::int64_t>{1, 2}));
  float values[2];
  ASSERT_EQ(a.bytes.size(), sizeof values);
  std::memcpy(values, a.bytes.data(), sizeof values);
  EXPECT_EQ(values[0], 1.5F);
  EXPECT_EQ(values[1], -2.0F);
  EXPECT_EQ(file.find("missing"), nullptr);
  EXPECT_EQ(file.metadata().at("format"), "pt");
}

TEST(Safetensors, WritesTheBytesOfTheOfficialWriter) {
  const testing::TemporaryFolder folder;
  const std::string data = kOfficialFile.substr(kOfficialFile.size() - 25);
  write_safetensors(folder / "m.safetensors", official_tensors(data), {{"format", "pt"}});
  EXPECT_EQ(testing::content_of(folder / "m.safetensors"), kOfficialFile);
  EXPECT_FALSE(std::filesystem::exists(folder / "m.safetensors.tmp"));
}

TEST(Safetensors, RoundTripsEmptyAndScalarTensors) {
  const testing::TemporaryFolder folder;
  const std::vector<TensorView> tensors = {{"scalar", DType::kBF16, {}, testing::as_bytes("ab")},
                                           {"empty", DType::kF64, {3, 0}, {}}};
  write_safetensors(folder / "m", tensors);
  const SafetensorsFile file(folder / "m");
  EXPECT_TRUE(file.get("scalar").shape.empty());
  EXPECT_EQ(file.get("empty").shape, (std::vector<std::int64_t>{3, 0}));
  EXPECT_TRUE(file.metadata().empty());
  write_safetensors(folder / "none", {});
  EXPECT_TRUE(SafetensorsFile(folder / "none").tensors().empty());
}

TEST(Safetensors, WriterRefusesNonsense) {
  const testing::TemporaryFolder folder;
  const auto error = [&](std::vector<TensorView> tensors) {
    return testing::message_of<CheckpointError>([&] { write_safetensors(folder / "m", tensors); });
  };
  const TensorView good = {"t", DType::kU8, {2}, testing::as_bytes("ab")};
  EXPECT_TRUE(contains(error({good, good}), "tensor 't': is given twice"));
  EXPECT_TRUE(contains(error({{"t", DType::kF32, {1}, testing::as_bytes("ab")}}), "do not fit"));
  EXPECT_TRUE(
      contains(error({{"__metadata__", DType::kU8, {2}, testing::as_bytes("ab")}}), "reserved"));
  EXPECT_TRUE(contains(error({{"\xff", DType::kU8, {2}, testing::as_bytes("ab")}}), "UTF-8"));
  EXPECT_FALSE(std::filesystem::exists(folder / "m"));
}

TEST(Safetensors, ReportsMissingFilesAndTensors) {
  const testing::TemporaryFolder folder;
  EXPECT_TRUE(
      contains(testing::message_of<CheckpointError>([] { SafetensorsFile f("/nonexistent"); }),
               "/nonexistent"));
  const SafetensorsFile file(folder.write("m", kOfficialFile));
  EXPECT_TRUE(contains(testing::message_of<CheckpointError>([&] { file.get("conv.weight"); }),
                       "tensor 'conv.weight' is missing"));
}

TEST(Safetensors, RefusesEveryTruncation) {
  for (std::size_t size = 0; size < kOfficialFile.size(); ++size)
    EXPECT_FALSE(error_of(kOfficialFile.substr(0, size)).empty()) << size;
  EXPECT_EQ(error_of(kOfficialFile + "x"), "1 bytes after the last tensor");
}

TEST(Safetensors, RefusesBadHeaderLengths) {
  EXPECT_TRUE(
      contains(error_of(from_hex("ffffffffffffffff") + "{}"), "claims 18446744073709551615"));
  EXPECT_TRUE(contains(error_of(from_hex("00e1f50500000000") + "{}"), "claims 100000000"));
  EXPECT_EQ(error_of(file_of(" {}", "")), "header is not a JSON object");
  EXPECT_EQ(error_of(file_of("[]", "")), "header is not a JSON object");
  EXPECT_TRUE(contains(error_of(file_of("{\"a\":", "")), "not valid JSON"));
  EXPECT_TRUE(contains(error_of(file_of("{}x", "")), "not valid JSON"));
  EXPECT_TRUE(contains(error_of(file_of(std::string("{\"\xff\":1}"), "")), "not valid JSON"));
}

TEST(Safetensors, RefusesBadEntries) {
  const std::string good = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])";
  EXPECT_EQ(entry_error(R"("dtype":"F33","shape":[2],"data_offsets":[0,8])"),
            "tensor 't': unknown dtype 'F33'");
  EXPECT_TRUE(
      contains(entry_error(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), "negative"));
  EXPECT_TRUE(
      contains(entry_error(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"), "fraction"));
  EXPECT_TRUE(
      contains(entry_error(R"("dtype":"F32","shape":[[2]],"data_offsets":[0,8])"), "an array"));
  EXPECT_TRUE(contains(entry_error(R"("dtype":"F32","shape":2,"data_offsets":[0,8])"), "a number"));
  EXPECT_TRUE(contains(entry_error(R"("dtype":"F32","shape":[2])"), "is missing"));
  EXPECT_TRUE(
      contains(entry_error(R"("dtype":"F32","shape":[2],"data_offsets":[0])"), "not two numbers"));
  EXPECT_TRUE(contains(entry_error(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"),
                       "8 bytes do not fit shape [3]"));
  EXPECT_TRUE(contains(entry_error(R"("dtype":"F32","shape":[2],"data_offsets":[0,16])"),
                       "beyond the end"));
  EXPECT_TRUE(contains(entry_error(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"), "gap"));
  EXPECT_TRUE(contains(entry_error(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), "gap"));
  EXPECT_TRUE(
      contains(entry_error(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8])"),
               "do not fit"));
  EXPECT_TRUE(
      contains(entry_error(R"("dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8])"),
               "too large"));
  EXPECT_TRUE(contains(entry_error(good + R"(,"extra":null)"), "null"));
  EXPECT_TRUE(contains(entry_error(good + R"(,"dtype":"F32")"), "'dtype' appears twice"));
}

TEST(Safetensors, RefusesDuplicatesAndOverlaps) {
  const std::string t = R"({"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  EXPECT_EQ(error_of(file_of("{\"t\":" + t + ",\"t\":" + t + "}", "abcd")),
            "'t' appears twice in the header");
  EXPECT_TRUE(contains(error_of(file_of("{\"t\":" + t + ",\"u\":" + t + "}", "abcd")), "overlap"));
  EXPECT_TRUE(
      contains(error_of(file_of(R"({"__metadata__":{"a":"1","a":"2"}})", "")), "appears twice"));
  EXPECT_TRUE(
      contains(error_of(file_of(R"({"__metadata__":{"a":1}})", "")), "unexpected a number"));
  EXPECT_TRUE(
      contains(error_of(file_of(R"({"__metadata__":{"a":{}}})", "")), "unexpected an object"));
}

// If any bit of the header flips, the file is refused or its tensors still lie within the file.
TEST(Safetensors, SurvivesBitFlips) {
  const testing::TemporaryFolder folder;
  const std::size_t header_bytes = kOfficialFile.size() - 25;
  for (std::size_t bit = 0; bit < 8 * header_bytes; ++bit) {
    std::string damaged = kOfficialFile;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    const auto path = folder.write("m", damaged);
    try {
      const SafetensorsFile file(path);
      std::size_t total = 0;
      for (const TensorView& tensor : file.tensors()) total += tensor.bytes.size();
      EXPECT_EQ(total, 25U);
    } catch (const CheckpointError&) {
    }
  }
}

TEST(Safetensors, DeepNestingNeedsNoStack) {
  EXPECT_FALSE(error_of(file_of("{\"a\":" + std::string(1'000'000, '['), "")).empty());
  EXPECT_FALSE(error_of(file_of("{" + std::string(100'000, '{'), "")).empty());
}

// The numbers behind the bits are those of IEEE 754 and of bfloat16's definition.
TEST(TensorValues, OfSixteenBitsAreExact) {
  const auto values = [](DType dtype, const std::vector<std::uint16_t>& bits) {
    return values_of({.name = "x",
                      .dtype = dtype,
                      .shape = {static_cast<std::int64_t>(bits.size())},
                      .bytes = std::as_bytes(std::span(bits))});
  };
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(values(DType::kF16, {0x3C00, 0xC000, 0x0001, 0x0400, 0x7BFF, 0xFC00}),
            (std::vector<double>{1, -2, std::ldexp(1, -24), std::ldexp(1, -14), 65504, -infinity}));
  EXPECT_TRUE(std::isnan(values(DType::kF16, {0x7E00}).at(0)));
  EXPECT_EQ(values(DType::kBF16, {0x3F80, 0xC049, 0x0000}), (std::vector<double>{1, -3.140625, 0}));
  EXPECT_TRUE(values(DType::kI16, {1, 2}).empty());
}

}  // namespace
}  // namespace ddpm
