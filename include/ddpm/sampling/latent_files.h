// Turns pictures into files of latents and back (docs/stable-diffusion.md).
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/device/runtime.h"
#include "ddpm/io/autoencoder_file.h"
#include "ddpm/nn/autoencoder.h"
#include "ddpm/nn/bound_network.h"

namespace ddpm {

struct AutoencoderRequest {
  std::filesystem::path model;  // as open_autoencoder takes it
  std::optional<double> scale;  // instead of what the model's files say
  bool tiled = false;           // compute large pictures in tiles
};

// An autoencoder that is ready to compute.
class LoadedAutoencoder {
 public:
  // Throws CheckpointError.
  LoadedAutoencoder(const AutoencoderRequest& request, const Runtime& runtime);
  // The same for an open file; request.model is not used.
  LoadedAutoencoder(const AutoencoderFile& file, const AutoencoderRequest& request,
                    const Runtime& runtime);

  const AutoencoderConfig& config() const { return config_; }

  // Picture [1,C,H,W] in [-1,1] to the mean of its latents, float32 on the CPU, minus the shift and
  // not yet multiplied by the scale.
  torch::Tensor encode(const torch::Tensor& picture);
  // The same latents [1,C,h,w] to a picture.
  torch::Tensor decode(const torch::Tensor& latents);

  // Pictures [N,C,H,W] to what the diffusion model works on, scale * (mean - shift), and back.
  torch::Tensor to_latents(const torch::Tensor& pictures);
  torch::Tensor to_pictures(const torch::Tensor& latents);

 private:
  AutoencoderConfig config_;
  BoundNetwork<Autoencoder> network_;
  torch::Device device_;
  bool tiled_;
};

// Size, channels and range of the pictures that the autoencoder makes of latents of this size; those of
// `data` itself without an autoencoder (null).
DataConfig data_of_pictures(DataConfig data, const LoadedAutoencoder* autoencoder);

// Pixels of all pictures, or nothing: they keep their own size, and must agree.
struct PictureSize {
  std::int64_t width = 0, height = 0;
};

// Encodes a picture, or all below a folder in the order of their paths, to a safetensors file with
// `latents` [N,C,h,w] float32 and the metadata `scale`, by which diffusion models multiply them.
// With a size, each picture is scaled until it covers it, and its centre is taken. Calls done(path)
// after each. Throws DataError for pictures of different sizes and sides that the autoencoder does
// not divide.
void encode_pictures(LoadedAutoencoder& autoencoder, const std::filesystem::path& input,
                     const std::optional<PictureSize>& size, const std::filesystem::path& output,
                     const std::function<void(const std::filesystem::path&)>& done);

// Decodes the tensor `latents` (or the only one) [N,C,h,w] of a safetensors file to PNG files
// 000000.png, ... in a new folder, or to tensor `images` [N,C,H,W] float32 of a file if `output`
// ends with .safetensors. The metadata `scale` says what latents are still to be multiplied by to
// be what diffusion models work on; without it they are that already. Returns the paths. Throws
// DataError.
std::vector<std::filesystem::path> decode_latents(LoadedAutoencoder& autoencoder,
                                                  const std::filesystem::path& input,
                                                  const std::filesystem::path& output);

}  // namespace ddpm
