// All decoded images of a data set, in memory or in the mapped cache file, of one shape: uint8, or
// float32 if they are latents.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ddpm {

// Facts that hold for every image of a store.
struct ImageStoreInfo {
  std::int64_t stored_height = 0;  // pixels of the images in the store
  std::int64_t stored_width = 0;
  std::int64_t channels = 0;  // 1 grey, 3 RGB, 4 RGBA
  // Pixels of the images of a batch. Stored images are larger if random windows are taken.
  std::int64_t height = 0;
  std::int64_t width = 0;
  bool latents = false;  // made by an autoencoder: float32 values instead of bytes
  std::vector<std::string> class_names = {};    // entry i names label i; may be empty
  std::vector<std::string> empty_classes = {};  // folders that should be classes and have no image
  std::string unlabelled = {};   // name of the first image file without a class; may be empty
  std::string passed_over = {};  // how many files are no images, for people; may be empty
  std::string source = {};       // for people: "folder /data/cats", "embedded"
};

// The store never changes, so any number of threads may read it.
class ImageStore {
 public:
  // The store owns its pixels: `labels.size()` images of the shape in `info`. Throws
  // std::invalid_argument if sizes do not agree.
  ImageStore(ImageStoreInfo info, std::vector<std::uint8_t> pixels,
             std::vector<std::int64_t> labels);
  // The pixels lie elsewhere (in the mapped cache file), and `owner` keeps them alive.
  ImageStore(ImageStoreInfo info, std::shared_ptr<const void> owner,
             std::span<const std::uint8_t> pixels, std::vector<std::int64_t> labels);

  std::int64_t count() const noexcept { return static_cast<std::int64_t>(labels_.size()); }
  std::int64_t height() const noexcept { return info_.height; }
  std::int64_t width() const noexcept { return info_.width; }
  std::int64_t channels() const noexcept { return info_.channels; }
  const ImageStoreInfo& info() const noexcept { return info_; }

  // The pixels [stored_height,stored_width,channels] of image `index` in [0, count); of latents,
  // the bytes of their values.
  std::span<const std::uint8_t> image(std::int64_t index) const noexcept {
    const auto size = static_cast<std::size_t>(image_bytes());
    return pixels_.subspan(static_cast<std::size_t>(index) * size, size);
  }
  // The class of an image; -1 if it has none.
  std::int64_t label(std::int64_t index) const noexcept {
    return labels_[static_cast<std::size_t>(index)];
  }
  std::span<const std::uint8_t> pixels() const noexcept { return pixels_; }
  const std::vector<std::int64_t>& labels() const noexcept { return labels_; }

  // SHA-256 of shape, pixels and labels. The same content gives the same 64 digits on every machine
  // and from every source.
  const std::string& fingerprint() const noexcept { return fingerprint_; }

 private:
  std::int64_t image_bytes() const noexcept {
    const std::int64_t values = info_.stored_height * info_.stored_width * info_.channels;
    return info_.latents ? values * static_cast<std::int64_t>(sizeof(float)) : values;
  }

  void check_and_fingerprint();

  ImageStoreInfo info_;
  std::shared_ptr<const void> owner_;
  std::span<const std::uint8_t> pixels_;
  std::vector<std::int64_t> labels_;
  std::string fingerprint_;
};

}  // namespace ddpm
