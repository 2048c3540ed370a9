#include "ddpm/data/batch.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

#include "ddpm/base/random.h"
#include "ddpm/data/order.h"

namespace ddpm {
namespace {

// The value that the network sees for each pixel value.
std::array<float, 256> value_table(PixelRange range) {
  std::array<float, 256> table{};
  for (int u = 0; u < 256; ++u)
    table[static_cast<std::size_t>(u)] =
        static_cast<float>(range == PixelRange::kSymmetric ? u / 127.5 - 1.0 : u / 255.0);
  return table;
}

// The part of a stored image that goes into the batch.
struct Window {
  std::int64_t top = 0;
  std::int64_t left = 0;
  bool mirrored = false;
};

Window choose_window(const ImageStoreInfo& info, const BatchRequest& request,
                     std::uint64_t position) {
  const std::int64_t free_rows = info.stored_height - info.height;
  const std::int64_t free_columns = info.stored_width - info.width;
  Window window{.top = free_rows / 2, .left = free_columns / 2};
  const RandomKey key{
      .seed = request.seed, .stream = RandomStream::kCrop, .step = 0, .sample = position};
  if (request.random_crop) {
    window.top = random_below(key, 0, static_cast<std::uint64_t>(free_rows + 1));
    window.left = random_below(key, 1, static_cast<std::uint64_t>(free_columns + 1));
  }
  if (request.horizontal_flip)
    window.mirrored = random_below(key.with_stream(RandomStream::kFlip), 0, 2) == 1;
  return window;
}

// Writes [height,width,channels] values, each what `value_at` returns for its index in the image.
template <class ValueAt>
void copy_window(const ImageStoreInfo& info, const Window& window, const ValueAt& value_at,
                 float* out) {
  for (std::int64_t y = 0; y < info.height; ++y) {
    const std::int64_t row = ((window.top + y) * info.stored_width + window.left) * info.channels;
    for (std::int64_t x = 0; x < info.width; ++x) {
      const std::int64_t column = window.mirrored ? info.width - 1 - x : x;
      const auto pixel = static_cast<std::size_t>(row + column * info.channels);
      for (std::size_t c = 0; c < static_cast<std::size_t>(info.channels); ++c)
        *out++ = value_at(pixel + c);
    }
  }
}

float float_at(std::span<const std::uint8_t> bytes, std::size_t index) {
  float value = 0;
  std::memcpy(&value, &bytes[index * sizeof value], sizeof value);
  return value;
}

// The index in the store of image i of the batch.
std::int64_t index_of(const ImageStore& store, const BatchRequest& request, std::int64_t i) {
  return static_cast<std::int64_t>(
      dataset_index(request.first_position + static_cast<std::uint64_t>(i),
                    static_cast<std::uint64_t>(store.count()), request.seed));
}

}  // namespace

torch::Tensor batch_labels(const ImageStore& store, const BatchRequest& request) {
  torch::Tensor labels = torch::empty({request.count}, torch::kInt64);
  for (std::int64_t i = 0; i < request.count; ++i)
    labels.data_ptr<std::int64_t>()[i] = store.label(index_of(store, request, i));
  return labels;
}

Batch make_batch(const ImageStore& store, const BatchRequest& request) {
  const ImageStoreInfo& info = store.info();
  const std::array<float, 256> table = value_table(request.range);
  // Channels are last in memory, as in the store; the permuted view has the usual order of sizes.
  torch::Tensor pixels =
      torch::empty({request.count, info.height, info.width, info.channels}, torch::kFloat32);
  float* out = pixels.data_ptr<float>();
  for (std::int64_t i = 0; i < request.count; ++i) {
    const std::uint64_t position = request.first_position + static_cast<std::uint64_t>(i);
    const std::span<const std::uint8_t> image = store.image(index_of(store, request, i));
    const Window window = choose_window(info, request, position);
    if (info.latents)
      copy_window(
          info, window, [&](std::size_t k) { return float_at(image, k); }, out);
    else
      copy_window(
          info, window, [&](std::size_t k) { return table[image[k]]; }, out);
    out += info.height * info.width * info.channels;
  }
  return {pixels.permute({0, 3, 1, 2}), batch_labels(store, request)};
}

torch::Tensor images_to_tensor(std::span<const Image> images, PixelRange range) {
  const Image& first = images.front();
  const std::array<float, 256> table = value_table(range);
  torch::Tensor pixels = torch::empty(
      {std::ssize(images), first.height, first.width, first.channels}, torch::kFloat32);
  float* out = pixels.data_ptr<float>();
  for (const Image& image : images)
    for (const std::uint8_t value : image.pixels) *out++ = table[value];
  return pixels.permute({0, 3, 1, 2}).contiguous();
}

torch::Tensor to_pixel_values(const torch::Tensor& images, PixelRange range) {
  const torch::Tensor values = images.detach().to(torch::kFloat32);
  const torch::Tensor scaled =
      range == PixelRange::kSymmetric ? values * 127.5 + 127.5 : values * 255.0;
  return scaled.nan_to_num(0.0, 255.0, 0.0).clamp(0, 255).add(0.5).floor().to(torch::kUInt8);
}

std::vector<Image> tensor_to_images(const torch::Tensor& images, PixelRange range) {
  if (images.dim() != 4 || images.size(2) < 1 || images.size(3) < 1)
    throw std::invalid_argument("images must be a tensor [N,C,H,W]");
  const torch::Tensor bytes =
      to_pixel_values(images.to(torch::kCPU), range).permute({0, 2, 3, 1}).contiguous();
  std::vector<Image> result;
  const std::uint8_t* next = bytes.data_ptr<std::uint8_t>();
  for (std::int64_t i = 0; i < bytes.size(0); ++i) {
    Image image(static_cast<int>(bytes.size(1)), static_cast<int>(bytes.size(2)),
                static_cast<int>(bytes.size(3)));
    std::copy_n(next, image.pixels.size(), image.pixels.begin());
    next += image.pixels.size();
    result.push_back(std::move(image));
  }
  return result;
}

}  // namespace ddpm
