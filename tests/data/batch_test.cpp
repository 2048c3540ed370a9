#include "ddpm/data/batch.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "ddpm/base/error.h"
#include "ddpm/data/order.h"

namespace ddpm {
namespace {

// `count` images of stored size 3x4 with windows of 2x2. All values within an image are distinct,
// and pixel 0 is the image's number.
ImageStore make_store(std::int64_t count, std::int64_t channels, std::int64_t height,
                      std::int64_t width) {
  const std::int64_t image_bytes = 12 * channels;
  std::vector<std::uint8_t> pixels;
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t k = 0; k < image_bytes; ++k)
      pixels.push_back(static_cast<std::uint8_t>(i * 40 + k));
    labels.push_back(i);
  }
  return ImageStore({.stored_height = 3,
                     .stored_width = 4,
                     .channels = channels,
                     .height = height,
                     .width = width,
                     .class_names = {},
                     .source = "test"},
                    std::move(pixels), std::move(labels));
}

TEST(MakeBatch, ScalesToTheRange) {
  const ImageStore store({.stored_height = 1,
                          .stored_width = 3,
                          .channels = 1,
                          .height = 1,
                          .width = 3,
                          .class_names = {},
                          .source = ""},
                         {0, 51, 255}, {4});
  const auto values = [&](PixelRange range) {
    const Batch batch = make_batch(store, {.count = 1, .range = range});
    const float* data = batch.images.data_ptr<float>();
    return std::vector<float>(data, data + 3);
  };
  EXPECT_EQ(values(PixelRange::kSymmetric), (std::vector<float>{-1.0F, -0.6F, 1.0F}));
  EXPECT_EQ(values(PixelRange::kUnit), (std::vector<float>{0.0F, 0.2F, 1.0F}));
}

// Pixel 0 of image i is i, and so is its label.
TEST(MakeBatch, LabelsAreThoseOfTheImages) {
  const ImageStore store = make_store(6, 1, 3, 4);
  const BatchRequest request{
      .first_position = 4, .count = 9, .seed = 5, .range = PixelRange::kUnit};
  const Batch batch = make_batch(store, request);
  for (std::int64_t i = 0; i < 9; ++i)
    EXPECT_NEAR(batch.images[i][0][0][0].item<double>() * 255,
                static_cast<double>(batch.labels[i].item<std::int64_t>() * 40), 1e-3);
  EXPECT_TRUE(torch::equal(batch_labels(store, request), batch.labels));
}

TEST(MakeBatch, HasTheShapeThatNetworksTake) {
  const Batch batch = make_batch(make_store(2, 3, 3, 4), {.count = 5});
  EXPECT_EQ(batch.images.sizes(), (std::vector<std::int64_t>{5, 3, 3, 4}));
  EXPECT_EQ(batch.images.scalar_type(), torch::kFloat32);
  EXPECT_TRUE(batch.images.is_contiguous(torch::MemoryFormat::ChannelsLast));
  EXPECT_EQ(batch.labels.sizes(), (std::vector<std::int64_t>{5}));
}

TEST(MakeBatch, FollowsTheOrderOfTheEpochs) {
  const ImageStore store = make_store(5, 3, 3, 4);
  const Batch batch =
      make_batch(store, {.first_position = 3, .count = 7, .seed = 8, .range = PixelRange::kUnit});
  for (std::int64_t i = 0; i < 7; ++i) {
    const auto index =
        static_cast<std::int64_t>(dataset_index(static_cast<std::uint64_t>(3 + i), 5, 8));
    EXPECT_EQ(batch.labels[i].item<std::int64_t>(), index);
    // Channel 1 of the pixel in row 2, column 3 is value (2*4 + 3)*3 + 1 = 34 of the image.
    EXPECT_FLOAT_EQ(batch.images[i][1][2][3].item<float>(),
                    static_cast<float>(index * 40 + 34) / 255.0F);
  }
}

TEST(MakeBatch, DoesNotDependOnHowTrainingIsCutIntoBatches) {
  const ImageStore store = make_store(5, 1, 2, 2);
  BatchRequest request = {
      .first_position = 10, .count = 8, .seed = 1, .horizontal_flip = true, .random_crop = true};
  const Batch whole = make_batch(store, request);
  request.count = 4;
  const Batch first = make_batch(store, request);
  request.first_position = 14;
  const Batch second = make_batch(store, request);
  EXPECT_TRUE(torch::equal(whole.images, torch::cat({first.images, second.images})));
  EXPECT_TRUE(torch::equal(whole.labels, torch::cat({first.labels, second.labels})));
}

TEST(MakeBatch, TakesTheCentreUnlessAsked) {
  const Batch batch = make_batch(make_store(1, 1, 1, 2), {.count = 1, .range = PixelRange::kUnit});
  // Row 1, columns 1 and 2 of 3x4: values 5 and 6.
  EXPECT_FLOAT_EQ(batch.images[0][0][0][0].item<float>(), 5 / 255.0F);
  EXPECT_FLOAT_EQ(batch.images[0][0][0][1].item<float>(), 6 / 255.0F);
}

TEST(MakeBatch, VisitsEveryWindowAndBothOrientations) {
  const ImageStore store = make_store(1, 1, 2, 2);
  const Batch batch = make_batch(
      store,
      {.count = 600, .horizontal_flip = true, .random_crop = true, .range = PixelRange::kUnit});
  std::map<std::pair<int, int>, int> seen;  // how often each pair of first pixels came
  for (std::int64_t i = 0; i < 600; ++i) {
    const auto value = [&](int x) {
      return static_cast<int>(std::lround(batch.images[i][0][0][x].item<float>() * 255));
    };
    ++seen[{value(0), value(1)}];
  }
  // 2 x 3 windows, each mirrored or not: 50 of each are expected.
  ASSERT_EQ(seen.size(), 12U);
  for (const auto& [pixels, times] : seen) {
    EXPECT_EQ(std::abs(pixels.first - pixels.second), 1);
    EXPECT_NEAR(times, 50, 30);
  }
}

TEST(TensorToImages, InvertsMakeBatch) {
  std::vector<std::uint8_t> pixels(256);
  std::iota(pixels.begin(), pixels.end(), std::uint8_t{0});
  const ImageStore store({.stored_height = 16,
                          .stored_width = 16,
                          .channels = 1,
                          .height = 16,
                          .width = 16,
                          .class_names = {},
                          .source = ""},
                         pixels, {-1});
  for (const PixelRange range : {PixelRange::kSymmetric, PixelRange::kUnit})
    EXPECT_EQ(
        tensor_to_images(make_batch(store, {.count = 1, .range = range}).images, range)[0].pixels,
        pixels);
}

TEST(TensorToImages, ClampsAndRoundsHalfUp) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  // 0.5 / 255 is not exact in float, so the tie is made in the symmetric range: 0 means 127.5.
  const torch::Tensor values =
      torch::tensor({-2.0F, 2.0F, 0.0F, nan, infinity, -infinity}).view({1, 1, 1, 6});
  EXPECT_EQ(tensor_to_images(values, PixelRange::kSymmetric)[0].pixels,
            (std::vector<std::uint8_t>{0, 255, 128, 0, 255, 0}));
}

TEST(TensorToImages, TurnsPlanesIntoPixels) {
  const torch::Tensor values =
      torch::arange(2 * 3 * 2 * 2, torch::kFloat32).view({2, 3, 2, 2}) / 255;
  const std::vector<Image> images = tensor_to_images(values, PixelRange::kUnit);
  ASSERT_EQ(images.size(), 2U);
  EXPECT_EQ(images[1].channels, 3);
  EXPECT_EQ(images[1].pixels,
            (std::vector<std::uint8_t>{12, 16, 20, 13, 17, 21, 14, 18, 22, 15, 19, 23}));
  EXPECT_THROW(tensor_to_images(values[0], PixelRange::kUnit), std::invalid_argument);
}

}  // namespace
}  // namespace ddpm
