#include "ddpm/nn/autoencoder.h"

#include "ddpm/base/format.h"
#include "ddpm/nn/tiles.h"
#include "ddpm/ops/convolution.h"
#include "ddpm/ops/image_convolution.h"

namespace ddpm {
namespace {

constexpr double kEpsilon = 1e-6;

ResBlock add_residual(torch::nn::Module& root, const std::string& path, std::int64_t in,
                      std::int64_t out, std::int64_t groups) {
  ResBlock block(
      ResBlockOptions{
          .in_channels = in, .out_channels = out, .groups = groups, .epsilon = kEpsilon},
      ResBlockNames{.time = "time_emb_proj", .shortcut = "conv_shortcut"});
  register_at(root, path, block.ptr());
  return block;
}

AutoencoderMiddle add_middle(torch::nn::Module& root, const AutoencoderConfig& config) {
  const std::int64_t width = config.widths.back();
  AutoencoderMiddle middle;
  middle.first = add_residual(root, "mid_block.resnets.0", width, width, config.groups);
  if (config.middle_attention) {
    middle.attention = AttentionBlock(
        AttentionOptions{.channels = width, .groups = config.groups, .epsilon = kEpsilon},
        AttentionNames{.norm = "group_norm",
                       .q = "to_q",
                       .k = "to_k",
                       .v = "to_v",
                       .qkv = "",
                       .out = "to_out.0"});
    register_at(root, "mid_block.attentions.0", middle.attention.ptr());
  }
  middle.second = add_residual(root, "mid_block.resnets.1", width, width, config.groups);
  return middle;
}

torch::Tensor plain_convolution(Convolution& layer, const torch::Tensor& x) {
  return ops::convolution(x, layer->weight, layer->bias);
}

torch::Tensor pointwise(Convolution& layer, const torch::Tensor& x) {
  return ops::convolution(x, layer->weight, layer->bias, {.padding = 0});
}

std::vector<std::vector<torch::Tensor>> joined_of(const AutoencoderMiddle& middle) {
  return middle.attention.is_empty() ? std::vector<std::vector<torch::Tensor>>()
                                     : middle.attention->joined_parameters();
}

}  // namespace

torch::Tensor AutoencoderLevel::operator()(torch::Tensor x) {
  for (ResBlock& block : blocks) x = block(x, torch::Tensor(), torch::Tensor(), std::nullopt);
  if (!downsample.is_empty()) x = downsample(x);
  if (!upsample.is_empty()) x = upsample(x, 2 * x.size(2), 2 * x.size(3));
  return x;
}

torch::Tensor AutoencoderMiddle::operator()(const torch::Tensor& x) {
  torch::Tensor h = first(x, torch::Tensor(), torch::Tensor(), std::nullopt);
  if (!attention.is_empty()) h = attention(h);
  return second(h, torch::Tensor(), torch::Tensor(), std::nullopt);
}

AutoencoderEncoderImpl::AutoencoderEncoderImpl(const AutoencoderConfig& config) {
  const std::int64_t levels = std::ssize(config.widths);
  std::int64_t width = config.widths.front();
  conv_in_ = register_module("conv_in", Convolution(config.image_channels, width, 3));
  for (std::int64_t level = 0; level < levels; ++level) {
    AutoencoderLevel& built = levels_.emplace_back();
    const std::string path = format_text("down_blocks.{}.", level);
    for (std::int64_t i = 0; i < config.blocks; ++i) {
      const std::int64_t out = config.widths[static_cast<std::size_t>(level)];
      built.blocks.push_back(
          add_residual(*this, format_text("{}resnets.{}", path, i), width, out, config.groups));
      width = out;
    }
    if (level + 1 == levels) continue;
    built.downsample = Downsample(width, DownsamplePadding::kAsymmetric);
    register_at(*this, path + "downsamplers.0", built.downsample.ptr());
  }
  middle_ = add_middle(*this, config);
  norm_out_ = register_module("conv_norm_out", Norm(width, config.groups, kEpsilon));
  conv_out_ = register_module("conv_out", Convolution(width, 2 * config.latent_channels, 3));
}

torch::Tensor AutoencoderEncoderImpl::forward(const torch::Tensor& image) {
  torch::Tensor h = ops::convolution_from_image(image, conv_in_->weight, conv_in_->bias);
  for (AutoencoderLevel& level : levels_) h = level(h);
  h = middle_(h);
  return plain_convolution(conv_out_, norm_out_->forward({.x = h}, /*silu=*/true).y);
}

std::vector<std::vector<torch::Tensor>> AutoencoderEncoderImpl::joined_parameters() const {
  return joined_of(middle_);
}

AutoencoderDecoderImpl::AutoencoderDecoderImpl(const AutoencoderConfig& config) {
  const std::int64_t levels = std::ssize(config.widths);
  std::int64_t width = config.widths.back();
  conv_in_ = register_module("conv_in", Convolution(config.latent_channels, width, 3));
  middle_ = add_middle(*this, config);
  for (std::int64_t i = 0; i < levels; ++i) {
    AutoencoderLevel& built = levels_.emplace_back();
    const std::string path = format_text("up_blocks.{}.", i);
    const std::int64_t out = config.widths[static_cast<std::size_t>(levels - 1 - i)];
    for (std::int64_t j = 0; j <= config.blocks; ++j) {
      built.blocks.push_back(
          add_residual(*this, format_text("{}resnets.{}", path, j), width, out, config.groups));
      width = out;
    }
    if (i + 1 == levels) continue;
    built.upsample = Upsample(width, /*transposed=*/false);
    register_at(*this, path + "upsamplers.0", built.upsample.ptr());
  }
  norm_out_ = register_module("conv_norm_out", Norm(width, config.groups, kEpsilon));
  conv_out_ = register_module("conv_out", Convolution(width, config.image_channels, 3));
}

torch::Tensor AutoencoderDecoderImpl::forward(const torch::Tensor& z) {
  torch::Tensor h = middle_(plain_convolution(conv_in_, z));
  for (AutoencoderLevel& level : levels_) h = level(h);
  h = norm_out_->forward({.x = h}, /*silu=*/true).y;
  return ops::convolution_to_image(h, conv_out_->weight, conv_out_->bias);
}

std::vector<std::vector<torch::Tensor>> AutoencoderDecoderImpl::joined_parameters() const {
  return joined_of(middle_);
}

AutoencoderImpl::AutoencoderImpl(const AutoencoderConfig& config) : config_(config) {
  const std::int64_t z = config.latent_channels;
  encoder_ = register_module("encoder", AutoencoderEncoder(config));
  decoder_ = register_module("decoder", AutoencoderDecoder(config));
  if (config.quant_convolution)
    quant_ = register_module("quant_conv", Convolution(2 * z, 2 * z, 1));
  if (config.post_quant_convolution)
    post_quant_ = register_module("post_quant_conv", Convolution(z, z, 1));
}

std::vector<std::vector<torch::Tensor>> AutoencoderImpl::joined_parameters() const {
  std::vector<std::vector<torch::Tensor>> lists = encoder_->joined_parameters();
  for (std::vector<torch::Tensor>& list : decoder_->joined_parameters())
    lists.push_back(std::move(list));
  return lists;
}

torch::TensorOptions AutoencoderImpl::options() const { return parameters().front().options(); }

torch::Tensor AutoencoderImpl::encode(const torch::Tensor& image) {
  torch::NoGradGuard no_grad;
  torch::Tensor h = encoder_(image.to(options()).contiguous(torch::MemoryFormat::ChannelsLast));
  if (!quant_.is_empty()) h = pointwise(quant_, h);
  return h.to(torch::kFloat32);
}

torch::Tensor AutoencoderImpl::decode(const torch::Tensor& z) {
  torch::NoGradGuard no_grad;
  torch::Tensor h = z.to(options()).contiguous(torch::MemoryFormat::ChannelsLast);
  if (!post_quant_.is_empty()) h = pointwise(post_quant_, h);
  return decoder_(h).to(torch::kFloat32);
}

// diffusers rounds its sizes the same way, one from the other.
torch::Tensor AutoencoderImpl::encode_tiled(const torch::Tensor& image) {
  const std::int64_t side = config_.sample_size, latent_side = side / reduction_of(config_);
  return compute_tiled(image, {.side = side, .result_side = latent_side},
                       [&](const torch::Tensor& tile) { return encode(tile); });
}

torch::Tensor AutoencoderImpl::decode_tiled(const torch::Tensor& z) {
  const std::int64_t side = config_.sample_size, latent_side = side / reduction_of(config_);
  return compute_tiled(z, {.side = latent_side, .result_side = side},
                       [&](const torch::Tensor& tile) { return decode(tile); });
}

torch::Tensor posterior_mean(const torch::Tensor& moments) { return moments.chunk(2, 1)[0]; }

torch::Tensor posterior_sample(const torch::Tensor& moments, const torch::Tensor& noise) {
  const std::vector<torch::Tensor> parts = moments.chunk(2, 1);
  return parts[0] + torch::exp(0.5 * parts[1].clamp(-30, 20)) * noise;
}

}  // namespace ddpm
