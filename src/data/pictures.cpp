#include "ddpm/data/pictures.h"

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/host.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/data/batch.h"
#include "ddpm/data/fit.h"
#include "ddpm/data/image_files.h"
#include "ddpm/image/codec.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;

std::string mode_of(int channels) {
  return channels == 1 ? "grey" : channels == 3 ? "RGB" : "RGBA";
}

std::string shape_of(const Image& image) {
  return format_text("{}x{} {}", image.width, image.height, mode_of(image.channels));
}

Image read_stored(const fs::path& path, const DataConfig& data) {
  if (!path_exists(path)) throw DataError(shown(path) + ": no such file" + home_advice(path));
  return read_image(path, data.orientation == Orientation::kExif);
}

StoreShape shape_for(const DataConfig& data) {
  if (!is_channel_count(data.channels))
    throw ConfigError(format_text("the images of this model have {}, which a picture cannot have",
                                  counted(data.channels, "channel")));
  DataConfig fixed = data;
  fixed.crop = Crop::kCenter;
  return resolve_shape(fixed, 0, 0, 0);
}

Image fitted(const Image& image, const StoreShape& shape) {
  Image result(shape.height, shape.width, shape.channels);
  fit_image(image, shape, result.pixels);
  return result;
}

void say_what_was_done(const fs::path& path, const Image& image, const Image& result) {
  if (image.width == result.width && image.height == result.height &&
      image.channels == result.channels)
    return;
  const bool same_sides = image.width * result.height == image.height * result.width;
  log_info("{}: {}, made {}{}", shown(path), shape_of(image), shape_of(result),
           same_sides ? "" : " of its centre");
}

}  // namespace

std::vector<fs::path> find_pictures(const fs::path& path, const DataConfig& data) {
  if (!is_folder(path)) return {path};
  DataConfig folder = data;
  folder.source = DataSource::kFolder;
  folder.path = path.string();
  folder.labels = LabelSource::kNone;
  std::vector<fs::path> paths;
  for (const ImageFile& file : find_image_files(folder).images) paths.push_back(path / file.path);
  return paths;
}

torch::Tensor read_pictures(std::span<const fs::path> paths, const DataConfig& data) {
  const StoreShape shape = shape_for(data);
  std::vector<Image> images;
  for (const fs::path& path : paths) {
    const Image image = read_stored(path, data);
    images.push_back(fitted(image, shape));
    if (images.size() == 1) say_what_was_done(path, image, images.front());
  }
  if (paths.size() > 1)
    log_info("{} in all, each made {}", counted(std::ssize(images), "picture"),
             shape_of(images.front()));
  return images_to_tensor(images, data.range);
}

torch::Tensor read_kept_pixels(const fs::path& mask, const fs::path& picture,
                               const DataConfig& data) {
  const Image marks = read_stored(mask, data), image = read_stored(picture, data);
  if (marks.width != image.width || marks.height != image.height)
    throw ConfigError(format_text(
        "--mask: '{}' has {}x{} pixels, but the picture '{}' has {}x{}; both must have one size",
        shown(mask), marks.width, marks.height, shown(picture), image.width, image.height));
  StoreShape shape = shape_for(data);
  shape.channels = 1;
  shape.background = {0, 0, 0};
  const std::vector<Image> marked = {fitted(marks, shape)};
  const torch::Tensor keep = images_to_tensor(marked, PixelRange::kUnit) < 0.5;
  if (keep.all().item<bool>())
    throw ConfigError(
        format_text("--mask: '{}' leaves nothing to draw: make the part white that is to be drawn",
                    shown(mask)));
  return keep;
}

}  // namespace ddpm
