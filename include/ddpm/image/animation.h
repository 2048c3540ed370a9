// Animated PNG files, which browsers and most viewers play.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "ddpm/image/codec.h"

namespace ddpm {

struct AnimationOptions {
  int frame_milliseconds = 80;   // how long each frame is shown, up to 65535
  int last_milliseconds = 2500;  // and the last, before the animation starts again
};

// An animation of the frames, of which there is at least one and which have one shape. Viewers that
// know no animations show the last frame. The same input gives the same bytes. Format: "APNG
// Specification" (Mozilla), part of the PNG standard, third edition. Throws std::invalid_argument
// as encode_png does, and for frames of different shapes.
std::string encode_apng(std::span<const Image> frames, const AnimationOptions& options = {},
                        const PngText& text = {});

// The same, written atomically. Throws IoError too.
void write_apng(const std::filesystem::path& path, std::span<const Image> frames,
                const AnimationOptions& options = {}, const PngText& text = {});

}  // namespace ddpm
