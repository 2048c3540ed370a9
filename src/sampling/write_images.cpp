#include "ddpm/sampling/write_images.h"

#include <array>

#include "ddpm/formats/npz.h"
#include "ddpm/io/weights.h"

namespace ddpm {

void write_tensor_file(const std::filesystem::path& path, const torch::Tensor& images,
                       PixelRange range, ImageFormat format, const SafetensorsMetadata& metadata) {
  if (format == ImageFormat::kSafetensors) {
    save_tensors(path, {{"images", images}}, metadata);
    return;
  }
  std::vector<std::uint8_t> pixels;
  for (const Image& image : tensor_to_images(images, range))
    pixels.insert(pixels.end(), image.pixels.begin(), image.pixels.end());
  const std::array<NpzArray, 1> arrays = {
      NpzArray{"arr_0",
               {images.size(0), images.size(2), images.size(3), images.size(1)},
               std::as_bytes(std::span(pixels))}};
  write_npz(path, arrays);
}

}  // namespace ddpm
