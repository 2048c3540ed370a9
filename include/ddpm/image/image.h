// An 8-bit image in memory and conversions between grey, RGB and RGBA.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ddpm {

struct Image {
  int height = 0;  // pixels
  int width = 0;
  int channels = 0;  // 1 grey, 3 RGB, 4 RGBA (alpha not premultiplied)
  std::vector<std::uint8_t>
      pixels;  // [height,width,channels], values as stored (sRGB, no gamma applied)

  Image() = default;
  // Sets every value to `fill`.
  Image(int h, int w, int c, std::uint8_t fill = 0)
      : height(h),
        width(w),
        channels(c),
        pixels(
            static_cast<std::size_t>(h) * static_cast<std::size_t>(w) * static_cast<std::size_t>(c),
            fill) {}

  // The first channel of a pixel.
  std::uint8_t* at(int y, int x) { return pixels.data() + offset(y, x); }
  const std::uint8_t* at(int y, int x) const { return pixels.data() + offset(y, x); }

 private:
  std::size_t offset(int y, int x) const {
    return (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) +
            static_cast<std::size_t>(x)) *
           static_cast<std::size_t>(channels);
  }
};

// Whether an Image and a PNG file can have so many channels.
constexpr bool is_channel_count(std::int64_t channels) {
  return channels == 1 || channels == 3 || channels == 4;
}

struct Rgb {
  std::uint8_t red = 255, green = 255, blue = 255;
};

// The image with 1, 3 or 4 channels (anything else: std::invalid_argument).
//   colour -> grey: luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, rounded
//   RGBA -> RGB or grey: laid on `background`; by default white, as viewers and web pages show
//   transparent pictures
//   without alpha -> RGBA: opaque
Image convert_channels(const Image& image, int channels, Rgb background = {});

}  // namespace ddpm
