#include "ddpm/image/animation.h"

#include <stdexcept>

#include "ddpm/base/bytes.h"
#include "ddpm/base/file.h"
#include "file_structure.h"

namespace ddpm {
namespace {

constexpr std::size_t kSignature = 8;

// The compressed pixels of a PNG file.
std::string pixels_of(const std::string& png) {
  std::string pixels;
  for_each_png_chunk(std::as_bytes(std::span(png)),
                     [&](std::string_view type, std::string_view data) {
                       if (type == "IDAT") pixels += data;
                     });
  return pixels;
}

// fcTL: place, size and duration of the frame whose pixels follow. It replaces the one before it.
std::string frame_control(std::uint32_t number, const Image& frame, int milliseconds) {
  std::string data;
  for (const int field : {static_cast<int>(number), frame.width, frame.height, 0, 0})
    append_big_endian(data, static_cast<std::uint64_t>(field), 4);
  append_big_endian(data, static_cast<std::uint64_t>(milliseconds), 2);
  append_big_endian(data, 1000, 2);
  append_big_endian(data, 0, 2);  // neither clear the frame nor blend it with the one before
  return make_png_chunk("fcTL", data);
}

std::string frame_pixels(std::uint32_t number, const Image& frame) {
  std::string data;
  append_big_endian(data, number, 4);
  return make_png_chunk("fdAT", data + pixels_of(encode_png(frame)));
}

// acTL, for an animation that is repeated for ever.
std::string animation_control(std::size_t frames) {
  std::string data;
  append_big_endian(data, frames, 4);
  append_big_endian(data, 0, 4);
  return make_png_chunk("acTL", data);
}

}  // namespace

std::string encode_apng(std::span<const Image> frames, const AnimationOptions& options,
                        const PngText& text) {
  if (frames.empty()) throw std::invalid_argument("an animation needs at least one frame");
  for (const Image& frame : frames)
    if (frame.width != frames[0].width || frame.height != frames[0].height ||
        frame.channels != frames[0].channels)
      throw std::invalid_argument("frames of an animation must have the same shape");
  // The PNG of the last frame, which has no frame control and so is not part of the animation.
  std::string file = encode_png(frames.back(), text);
  constexpr std::size_t kEnd = 12;  // the chunk IEND
  const std::string end = file.substr(file.size() - kEnd);
  file.resize(file.size() - kEnd);
  constexpr std::size_t kHeader = 12 + 13;
  file.insert(kSignature + kHeader, animation_control(frames.size()));
  std::uint32_t number = 0;  // of fcTL and fdAT together
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const bool last = i + 1 == frames.size();
    file += frame_control(number++, frames[i],
                          last ? options.last_milliseconds : options.frame_milliseconds);
    file += frame_pixels(number++, frames[i]);
  }
  return file + end;
}

void write_apng(const std::filesystem::path& path, std::span<const Image> frames,
                const AnimationOptions& options, const PngText& text) {
  write_file_atomically(path, encode_apng(frames, options, text));
}

}  // namespace ddpm
