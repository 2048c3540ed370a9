// The autoencoder of Stable Diffusion, which turns images into latents and back. Rombach et al.,
// "High-Resolution Image Synthesis with Latent Diffusion Models", section 3.1. Its shape, as the
// config.json of diffusers' AutoencoderKL says it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace ddpm {

struct AutoencoderConfig {
  std::int64_t image_channels = 3;
  std::int64_t latent_channels = 4;
  std::vector<std::int64_t> widths = {128, 256, 512,
                                      512};  // of the levels; each but the last halves
  std::int64_t blocks = 2;                   // layers_per_block; the decoder has one more
  std::int64_t groups = 32;
  bool middle_attention = true;
  bool quant_convolution = true;       // 1x1, on the encoder's result
  bool post_quant_convolution = true;  // 1x1, on the decoder's input
  // What diffusion models work on is scale * (z - shift).
  double scale = 0.18215, shift = 0;
  std::int64_t sample_size = 512;  // side of the images in training; tiles have this size
};

// How many pixels of an image one latent pixel stands for, in each direction.
std::int64_t reduction_of(const AutoencoderConfig& config);

// Reads config.json. `scaling_factor` is missing in the files of versions 1 and 2, whose scale is
// then 0.18215. Throws CheckpointError that names the key for other classes, blocks and options
// than those here and for values that contradict each other.
AutoencoderConfig read_autoencoder_config(const nlohmann::json& document, const std::string& name);

// Throws CheckpointError "<name>: ..." if the network cannot be built.
void check_autoencoder_config(const AutoencoderConfig& config, const std::string& name);

}  // namespace ddpm
