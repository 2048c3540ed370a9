// Writes generated images to files.
#pragma once

#include <torch/types.h>

#include <filesystem>

#include "ddpm/data/batch.h"
#include "ddpm/formats/tensor_set.h"
#include "ddpm/image/codec.h"

namespace ddpm {

enum class ImageFormat { kPng, kSafetensors, kNpz, kApng };
constexpr auto choice_names(ImageFormat) { return name_list("png", "safetensors", "npz", "apng"); }

// images: [N,C,H,W] float32 in the model's range.
//   safetensors: `images`, not clipped, with this metadata
//   npz: `arr_0`, uint8 [N,H,W,C], which OpenAI's evaluation reads
// The file is written atomically. Throws IoError.
void write_tensor_file(const std::filesystem::path& path, const torch::Tensor& images,
                       PixelRange range, ImageFormat format,
                       const SafetensorsMetadata& metadata = {});

}  // namespace ddpm
