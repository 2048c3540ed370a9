#include "ddpm/architecture/autoencoder.h"

#include <algorithm>

#include "ddpm/base/format.h"
#include "ddpm/formats/json_keys.h"

namespace ddpm {
namespace {

// Nothing that can be trained is larger; what is computed from the config then fits 64 bits.
constexpr std::int64_t kMaxWidth = 1 << 16, kMaxLevels = 8, kMaxBlocks = 64;

void require_blocks(JsonKeys& keys, const std::string& key, const std::string& kind) {
  for (const std::string& block : keys.texts(key, {}))
    if (block != kind) keys.fail(key, format_text("only {} is supported", kind));
}

}  // namespace

std::int64_t reduction_of(const AutoencoderConfig& config) {
  return std::int64_t{1} << (config.widths.size() - 1);
}

void check_autoencoder_config(const AutoencoderConfig& config, const std::string& name) {
  const auto fail = [&](const std::string& reason) {
    throw CheckpointError(name + ": autoencoder: " + reason);
  };
  const auto is_width = [](std::int64_t width) { return width >= 1 && width <= kMaxWidth; };
  if (config.widths.empty() || std::ssize(config.widths) > kMaxLevels)
    fail(format_text("it must have 1 to {} levels (block_out_channels)", kMaxLevels));
  if (!std::ranges::all_of(config.widths, is_width) || !is_width(config.image_channels) ||
      !is_width(config.latent_channels))
    fail(format_text("channels must be in [1, {}]", kMaxWidth));
  for (const std::int64_t width : config.widths)
    if (config.groups < 1 || width % config.groups != 0)
      fail(format_text("its {} channels are not divisible into {} groups", width, config.groups));
  if (config.blocks < 1 || config.blocks > kMaxBlocks)
    fail(format_text("layers_per_block must be in [1, {}]", kMaxBlocks));
  if (!(config.scale > 0)) fail("scaling_factor must be positive");
  if (config.sample_size < reduction_of(config))
    fail(format_text("sample_size must be at least {}", reduction_of(config)));
}

AutoencoderConfig read_autoencoder_config(const nlohmann::json& document, const std::string& name) {
  JsonKeys keys(document, name);
  keys.require("_class_name", "AutoencoderKL");
  keys.require("act_fn", "silu");
  require_blocks(keys, "down_block_types", "DownEncoderBlock2D");
  require_blocks(keys, "up_block_types", "UpDecoderBlock2D");
  AutoencoderConfig config;
  config.image_channels = keys.integer("in_channels", 3);
  if (keys.integer("out_channels", 3) != config.image_channels)
    keys.fail("out_channels", "must equal in_channels");
  config.latent_channels = keys.integer("latent_channels", 4);
  config.widths = keys.integers("block_out_channels", {64});
  config.blocks = keys.integer("layers_per_block", 1);
  config.groups = keys.integer("norm_num_groups", 32);
  config.middle_attention = keys.boolean("mid_block_add_attention", true);
  config.quant_convolution = keys.boolean("use_quant_conv", true);
  config.post_quant_convolution = keys.boolean("use_post_quant_conv", true);
  config.scale = keys.number("scaling_factor", config.scale);
  const nlohmann::json* shift = keys.find("shift_factor");
  if (shift != nullptr && !shift->is_null()) config.shift = keys.number("shift_factor", 0);
  for (const char* key : {"latents_mean", "latents_std"})
    if (const nlohmann::json* value = keys.find(key); value != nullptr && !value->is_null())
      keys.fail(key, "latents with a mean and a deviation of their own are not supported");
  config.sample_size = keys.integer("sample_size", config.sample_size);
  check_autoencoder_config(config, name);
  return config;
}

}  // namespace ddpm
