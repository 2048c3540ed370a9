#include "ddpm/data/image_store.h"

#include <stdexcept>
#include <utility>

#include "ddpm/formats/sha256.h"

namespace ddpm {
namespace {

std::string fingerprint_of(const ImageStoreInfo& info, std::span<const std::uint8_t> pixels,
                           const std::vector<std::int64_t>& labels) {
  Sha256 hash;
  hash.update(info.latents ? "ddpm latents 1" : "ddpm images 1");
  for (const std::int64_t size : {static_cast<std::int64_t>(labels.size()), info.stored_height,
                                  info.stored_width, info.channels, info.height, info.width})
    hash.update(" " + std::to_string(size));
  hash.update(std::as_bytes(pixels));
  hash.update(std::as_bytes(std::span(labels)));
  return hash.hex_digest();
}

bool is_consistent(const ImageStoreInfo& info, std::size_t image_bytes, std::size_t pixels,
                   std::size_t labels) {
  const bool has_window = info.height >= 1 && info.height <= info.stored_height &&
                          info.width >= 1 && info.width <= info.stored_width;
  return has_window && info.channels >= 1 && labels > 0 && pixels == labels * image_bytes;
}

}  // namespace

ImageStore::ImageStore(ImageStoreInfo info, std::vector<std::uint8_t> pixels,
                       std::vector<std::int64_t> labels)
    : info_(std::move(info)), labels_(std::move(labels)) {
  const auto owned = std::make_shared<const std::vector<std::uint8_t>>(std::move(pixels));
  pixels_ = *owned;
  owner_ = owned;
  check_and_fingerprint();
}

ImageStore::ImageStore(ImageStoreInfo info, std::shared_ptr<const void> owner,
                       std::span<const std::uint8_t> pixels, std::vector<std::int64_t> labels)
    : info_(std::move(info)),
      owner_(std::move(owner)),
      pixels_(pixels),
      labels_(std::move(labels)) {
  check_and_fingerprint();
}

void ImageStore::check_and_fingerprint() {
  if (!is_consistent(info_, static_cast<std::size_t>(image_bytes()), pixels_.size(),
                     labels_.size()))
    throw std::invalid_argument("the pixels, labels and sizes of an image store do not agree");
  fingerprint_ = fingerprint_of(info_, pixels_, labels_);
}

}  // namespace ddpm
