#include "ddpm/sampling/latent_files.h"

#include <charconv>
#include <cmath>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/new_folder.h"
#include "ddpm/base/text.h"
#include "ddpm/data/batch.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/image/codec.h"
#include "ddpm/image/resize.h"
#include "ddpm/io/weights.h"
#include "ddpm/sampling/write_images.h"

namespace ddpm {
namespace {

BoundNetwork<Autoencoder> load(const AutoencoderFile& file, const Runtime& runtime) {
  BoundNetwork<Autoencoder> network(Autoencoder(file.config), runtime.compute_dtype,
                                    runtime.device);
  load_tensors(file.tensors, network.tensors());
  return network;
}

std::vector<fs::path> pictures_in(const fs::path& input) {
  if (!path_exists(input)) throw DataError(shown(input) + ": no such file or folder");
  if (!is_folder(input)) return {input};
  std::vector<fs::path> pictures;
  for (const fs::path& file : list_files_recursively(input))
    if (has_image_extension(file)) pictures.push_back(input / file);
  if (pictures.empty()) throw DataError(shown(input) + ": there is no picture in the folder");
  return pictures;
}

// [1,C,H,W] float32 in [-1,1].
torch::Tensor to_tensor(const Image& image) {
  const torch::Tensor bytes =
      torch::from_blob(const_cast<std::uint8_t*>(image.pixels.data()),  // NOLINT: only read
                       {1, image.height, image.width, image.channels}, torch::kUInt8);
  return (bytes.to(torch::kFloat32) / 127.5 - 1).permute({0, 3, 1, 2}).contiguous();
}

torch::Tensor read_picture(const fs::path& path, const AutoencoderConfig& config,
                           const std::optional<PictureSize>& size) {
  Image image = convert_channels(read_image(path), static_cast<int>(config.image_channels));
  if (size)
    image = resize_and_center_crop(image, static_cast<int>(size->height),
                                   static_cast<int>(size->width));
  const std::int64_t factor = reduction_of(config);
  if (image.width % factor != 0 || image.height % factor != 0)
    throw DataError(format_text(
        "{}: {}x{} pixels; width and height must be divisible by {} (--image-size resizes)",
        shown(path), image.width, image.height, factor));
  return to_tensor(image);
}

// What the latents of a file are to be multiplied by.
double scale_of(const SafetensorsFile& file) {
  const auto found = file.metadata().find("scale");
  if (found == file.metadata().end()) return 1;
  const std::string& text = found->second;
  double scale = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), scale);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(scale) ||
      scale == 0)
    throw DataError(format_text("{}: its metadata have the scale '{}', which must be a number",
                                shown(file.path()), shorten(text)));
  return scale;
}

torch::Tensor read_latents(const SafetensorsFile& file, std::int64_t channels) {
  const TensorView* view = file.find("latents");
  if (view == nullptr && file.tensors().size() == 1) view = &file.tensors().front();
  if (view == nullptr)
    throw DataError(shown(file.path()) + ": there is no tensor 'latents' [N,C,H,W]");
  torch::Tensor latents = ddpm::to_tensor(*view);
  if (!latents.is_floating_point() || latents.dim() != 4 || latents.numel() == 0 ||
      latents.size(1) != channels)
    throw DataError(format_text("{}: '{}' must be latents [N,{},H,W] of floating-point numbers",
                                shown(file.path()), shorten(view->name), channels));
  latents = latents.to(torch::kFloat32);
  if (!latents.isfinite().all().item<bool>())
    throw DataError(format_text("{}: '{}' has values that are not finite", shown(file.path()),
                                shorten(view->name)));
  return latents;
}

}  // namespace

LoadedAutoencoder::LoadedAutoencoder(const AutoencoderRequest& request, const Runtime& runtime)
    : LoadedAutoencoder(open_autoencoder(request.model), request, runtime) {}

LoadedAutoencoder::LoadedAutoencoder(const AutoencoderFile& file, const AutoencoderRequest& request,
                                     const Runtime& runtime)
    : config_(file.config),
      network_(load(file, runtime)),
      device_(runtime.device),
      tiled_(request.tiled) {
  config_.scale = request.scale.value_or(config_.scale);
}

torch::Tensor LoadedAutoencoder::encode(const torch::Tensor& picture) {
  torch::Tensor mean;
  explain_out_of_memory(device_, 1, [&] {
    const torch::Tensor x = picture.to(device_);
    mean = posterior_mean(tiled_ ? network_->encode_tiled(x) : network_->encode(x));
    mean = (mean - config_.shift).cpu();
  });
  return mean;
}

torch::Tensor LoadedAutoencoder::decode(const torch::Tensor& latents) {
  torch::Tensor picture;
  explain_out_of_memory(device_, 1, [&] {
    const torch::Tensor z = latents.to(device_) + config_.shift;
    picture = (tiled_ ? network_->decode_tiled(z) : network_->decode(z)).cpu();
  });
  return picture;
}

torch::Tensor LoadedAutoencoder::to_latents(const torch::Tensor& pictures) {
  std::vector<torch::Tensor> latents;  // one at a time: this takes more memory than anything else
  for (const torch::Tensor& picture : pictures.split(1))
    latents.push_back(encode(picture) * config_.scale);
  return torch::cat(latents);
}

torch::Tensor LoadedAutoencoder::to_pictures(const torch::Tensor& latents) {
  std::vector<torch::Tensor> pictures;
  for (const torch::Tensor& each : latents.split(1))
    pictures.push_back(decode(each / config_.scale));
  return torch::cat(pictures);
}

DataConfig data_of_pictures(DataConfig data, const LoadedAutoencoder* autoencoder) {
  if (autoencoder == nullptr) return data;
  const AutoencoderConfig& config = autoencoder->config();
  data.height *= reduction_of(config);
  data.width *= reduction_of(config);
  data.channels = config.image_channels;
  data.range = PixelRange::kSymmetric;
  return data;
}

void encode_pictures(LoadedAutoencoder& autoencoder, const fs::path& input,
                     const std::optional<PictureSize>& size, const fs::path& output,
                     const std::function<void(const fs::path&)>& done) {
  std::vector<torch::Tensor> latents;
  for (const fs::path& path : pictures_in(input)) {
    latents.push_back(autoencoder.encode(read_picture(path, autoencoder.config(), size)));
    if (latents.back().sizes() != latents.front().sizes())
      throw DataError(format_text(
          "{}: its latents are {}x{}, those of the pictures before {}x{} (--image-size gives all one size)",
          shown(path), latents.back().size(3), latents.back().size(2), latents.front().size(3),
          latents.front().size(2)));
    done(path);
  }
  save_tensors(output, {{"latents", torch::cat(latents)}},
               {{"scale", format_text("{}", autoencoder.config().scale)}});
}

std::vector<fs::path> decode_latents(LoadedAutoencoder& autoencoder, const fs::path& input,
                                     const fs::path& output) {
  const AutoencoderConfig& config = autoencoder.config();
  const SafetensorsFile file(input);
  const torch::Tensor latents =
      read_latents(file, config.latent_channels) * (scale_of(file) / config.scale);
  const auto decode = [&](std::int64_t i) { return autoencoder.decode(latents.narrow(0, i, 1)); };
  if (output.extension() == ".safetensors") {
    std::vector<torch::Tensor> pictures;
    for (std::int64_t i = 0; i < latents.size(0); ++i) pictures.push_back(decode(i));
    write_tensor_file(output, torch::cat(pictures), PixelRange::kSymmetric,
                      ImageFormat::kSafetensors);
    return {output};
  }
  NewFolder folder(output);
  for (std::int64_t i = 0; i < latents.size(0); ++i)
    write_png(folder.add(format_text("{:06}.png", i)),
              tensor_to_images(decode(i), PixelRange::kSymmetric).front());
  return folder.finish();
}

}  // namespace ddpm
