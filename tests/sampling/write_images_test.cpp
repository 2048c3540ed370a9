#include "ddpm/sampling/write_images.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "ddpm/base/error.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/io/weights.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::content_of;
using testing::TemporaryFolder;

// Two RGB images of 1 x 2 pixels with values beyond both ends of the range.
torch::Tensor example() {
  return torch::tensor({-1.0f, 1.0f, -7.0f, 7.0f, 0.0f, 0.5f,  //
                        -0.5f, 0.25f, -1.0f, -1.0f, 1.0f, 1.0f})
      .view({2, 3, 1, 2});
}

TEST(ImageFormatName, IsParsed) {
  EXPECT_EQ(choose<ImageFormat>("--format", "png"), ImageFormat::kPng);
  EXPECT_EQ(choose<ImageFormat>("--format", "safetensors"), ImageFormat::kSafetensors);
  EXPECT_EQ(choose<ImageFormat>("--format", "npz"), ImageFormat::kNpz);
  EXPECT_EQ(testing::message_of<ConfigError>([] { choose<ImageFormat>("--format", "jpg"); }),
            "--format: unknown 'jpg'; choose from png, safetensors, npz, apng");
}

TEST(WriteTensorFile, SafetensorsHoldTheValuesUnclipped) {
  const TemporaryFolder folder;
  write_tensor_file(folder / "a.safetensors", example(), PixelRange::kSymmetric,
                    ImageFormat::kSafetensors);
  const SafetensorsFile file(folder / "a.safetensors");
  EXPECT_EQ(file.tensors().size(), 1u);
  EXPECT_EQ(file.get("images").dtype, DType::kF32);
  EXPECT_TRUE(torch::equal(to_tensor(file.get("images")), example()));
}

// OpenAI's evaluation reads this format: one array arr_0, uint8 [N,H,W,C].
TEST(WriteTensorFile, NpzHoldsBytesChannelsLast) {
  const TemporaryFolder folder;
  write_tensor_file(folder / "a.npz", example().contiguous(torch::MemoryFormat::ChannelsLast),
                    PixelRange::kSymmetric, ImageFormat::kNpz);
  const std::string zip = content_of(folder / "a.npz");
  EXPECT_EQ(zip.substr(30, 9), "arr_0.npy");
  const std::size_t npy = 39;  // local header of 30 bytes, then the name
  EXPECT_EQ(zip.substr(npy, 8), std::string("\x93NUMPY\x01\x00", 8));
  const std::size_t length =
      static_cast<unsigned char>(zip[npy + 8]) + 256u * static_cast<unsigned char>(zip[npy + 9]);
  const std::string header = zip.substr(npy + 10, length);
  for (const char* part : {"'descr': '|u1'", "'fortran_order': False", "'shape': (2,1,2,3"})
    EXPECT_TRUE(testing::contains(header, part)) << header;
  // 127.5 (v + 1), rounded half up and clamped, for red, green and blue of each pixel.
  const std::vector<int> expected = {0, 0, 128, 255, 255, 191, 64, 0, 255, 159, 0, 255};
  std::vector<int> bytes;
  for (std::size_t i = 0; i < expected.size(); ++i)
    bytes.push_back(static_cast<unsigned char>(zip.at(npy + 10 + length + i)));
  EXPECT_EQ(bytes, expected);
}

TEST(WriteTensorFile, NpzOfTheUnitRange) {
  const TemporaryFolder folder;
  write_tensor_file(folder / "a.npz", torch::tensor({0.0f, 1.0f, 0.5f, -1.0f}).view({4, 1, 1, 1}),
                    PixelRange::kUnit, ImageFormat::kNpz);
  EXPECT_TRUE(
      testing::contains(content_of(folder / "a.npz"), std::string("\x00\xff\x80\x00PK", 6)));
}

TEST(WriteTensorFile, NeedsItsFolder) {
  const TemporaryFolder folder;
  for (const ImageFormat format : {ImageFormat::kSafetensors, ImageFormat::kNpz})
    EXPECT_THROW(write_tensor_file(folder / "no/a", example(), PixelRange::kSymmetric, format),
                 IoError);
}

}  // namespace
}  // namespace ddpm
