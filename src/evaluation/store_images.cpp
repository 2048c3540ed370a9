#include "ddpm/evaluation/store_images.h"

#include <cstring>

#include "ddpm/data/order.h"

namespace ddpm {

StoreImages images_of_store(const ImageStore& store, std::int64_t first, std::int64_t count) {
  const ImageStoreInfo& info = store.info();
  torch::Tensor pixels =
      torch::empty({count, info.stored_height, info.stored_width, info.channels}, torch::kUInt8);
  torch::Tensor labels = torch::empty({count}, torch::kInt64);
  std::uint8_t* out = pixels.data_ptr<std::uint8_t>();
  for (std::int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<std::int64_t>(
        shuffled_index(static_cast<std::uint64_t>(first + i),
                       static_cast<std::uint64_t>(store.count()), /*seed=*/0, /*epoch=*/0));
    const std::span<const std::uint8_t> image = store.image(index);
    std::memcpy(out, image.data(), image.size());
    out += image.size();
    labels.data_ptr<std::int64_t>()[i] = store.label(index);
  }
  // Of a store with a margin for random crops, the centres are taken.
  return {pixels.narrow(1, (info.stored_height - info.height) / 2, info.height)
              .narrow(2, (info.stored_width - info.width) / 2, info.width)
              .permute({0, 3, 1, 2}),
          labels};
}

torch::Tensor to_values(const torch::Tensor& pixels, PixelRange range) {
  const torch::Tensor wide = pixels.to(torch::kFloat64);
  return (range == PixelRange::kSymmetric ? wide / 127.5 - 1 : wide / 255).to(torch::kFloat32);
}

}  // namespace ddpm
