#include "ddpm/architecture/hifi_gan.h"

#include <algorithm>
#include <array>

#include "ddpm/base/format.h"
#include "ddpm/formats/json_keys.h"

namespace ddpm {
namespace {

// Nothing that can be trained is larger; what is computed from the config then fits 64 bits.
constexpr std::int64_t kMaxNumber = 1 << 20;
constexpr std::size_t kMaxStages = 16;

constexpr std::array<Word<HifiGanBlockKind>, 2> kResBlocks = {
    {{"1", HifiGanBlockKind::kTwoConvolutions}, {"2", HifiGanBlockKind::kOneConvolution}}};

std::size_t dilations_of(HifiGanBlockKind block) {
  return block == HifiGanBlockKind::kTwoConvolutions ? 3 : 2;
}

std::int64_t positive(JsonKeys& keys, const std::string& key, std::int64_t otherwise) {
  const std::int64_t value = keys.integer(key, otherwise);
  if (value < 1 || value > kMaxNumber)
    keys.fail(key, format_text("must be in [1, {}]", kMaxNumber));
  return value;
}

void check_positive(const JsonKeys& keys, const std::string& key,
                    const std::vector<std::int64_t>& values) {
  if (values.empty() || values.size() > kMaxStages)
    keys.fail(key, format_text("must have 1 to {} elements", kMaxStages));
  for (const std::int64_t value : values)
    if (value < 1 || value > kMaxNumber)
      keys.fail(key, format_text("its elements must be in [1, {}]", kMaxNumber));
}

std::vector<std::int64_t> positives(JsonKeys& keys, const std::string& key) {
  if (keys.find(key) == nullptr) keys.fail(key, "is missing");
  std::vector<std::int64_t> values = keys.integers(key, {});
  check_positive(keys, key, values);
  return values;
}

void read_mel(JsonKeys& keys, MelConfig& mel) {
  mel.sampling_rate = positive(keys, "sampling_rate", mel.sampling_rate);
  mel.fft_size = positive(keys, "n_fft", mel.fft_size);
  mel.window_size = positive(keys, "win_size", mel.window_size);
  mel.hop_size = positive(keys, "hop_size", mel.hop_size);
  mel.bands = positive(keys, "num_mels", mel.bands);
  mel.lowest = keys.number("fmin", mel.lowest);
  const double nyquist = static_cast<double>(mel.sampling_rate) / 2;
  // null: up to half the sampling rate.
  const nlohmann::json* highest = keys.find("fmax");
  mel.highest =
      highest != nullptr && highest->is_null() ? nyquist : keys.number("fmax", mel.highest);
  if (mel.window_size > mel.fft_size) keys.fail("win_size", "must be at most n_fft");
  if (mel.hop_size > mel.fft_size) keys.fail("hop_size", "must be at most n_fft");
  if (!(mel.lowest >= 0)) keys.fail("fmin", "must be at least 0");
  if (!(mel.highest > mel.lowest && mel.highest <= nyquist))
    keys.fail("fmax",
              format_text("must be above fmin and at most half the sampling rate, {}", nyquist));
}

void read_upsampling(JsonKeys& keys, HifiGanConfig& config) {
  const std::string rates_key = "upsample_rates", kernels_key = "upsample_kernel_sizes";
  config.upsample_rates = positives(keys, rates_key);
  config.upsample_kernel_sizes = positives(keys, kernels_key);
  const std::size_t stages = config.upsample_rates.size();
  if (config.upsample_kernel_sizes.size() != stages)
    keys.fail(kernels_key, format_text("must have as many elements as {}: {}", rates_key, stages));
  std::int64_t hop = 1;
  for (std::size_t i = 0; i < stages; ++i) {
    const std::int64_t rate = config.upsample_rates[i], kernel = config.upsample_kernel_sizes[i];
    if (kernel < rate || (kernel - rate) % 2 != 0)
      keys.fail(kernels_key, format_text("{} must be {} plus an even number, since {}[{}] is {}",
                                         kernel, rate, rates_key, i, rate));
    hop *= rate;
    if (hop > kMaxNumber)
      keys.fail(rates_key, format_text("their product must be at most {}", kMaxNumber));
  }
  if (config.mel.hop_size != hop)
    keys.fail("hop_size", format_text("must be the product of {}, {}", rates_key, hop));
  config.channels = positive(keys, "upsample_initial_channel", config.channels);
  if (config.channels % (std::int64_t{1} << stages) != 0)
    keys.fail("upsample_initial_channel",
              format_text("must be divisible by 2^{}, because each of the {} stages halves it",
                          stages, stages));
}

// Some configs write the number without quotes.
HifiGanBlockKind read_block(JsonKeys& keys) {
  const std::string key = "resblock";
  const nlohmann::json* value = keys.find(key);
  if (value == nullptr) keys.fail(key, "is missing");
  const std::string text = value->is_string() ? value->get<std::string>() : value->dump();
  const std::optional<HifiGanBlockKind> block = value_of(kResBlocks, text);
  if (!block) keys.fail(key, "unknown; only \"1\" and \"2\" are known");
  return *block;
}

void read_blocks(JsonKeys& keys, HifiGanConfig& config) {
  const std::string kernels_key = "resblock_kernel_sizes",
                    dilations_key = "resblock_dilation_sizes";
  config.resblock = read_block(keys);
  config.resblock_kernel_sizes = positives(keys, kernels_key);
  if (std::ranges::any_of(config.resblock_kernel_sizes,
                          [](auto kernel) { return kernel % 2 == 0; }))
    keys.fail(kernels_key, "must be odd, so that the padding on both sides is equal");
  if (keys.find(dilations_key) == nullptr) keys.fail(dilations_key, "is missing");
  config.resblock_dilation_sizes = keys.integer_lists(dilations_key, {});
  if (config.resblock_dilation_sizes.size() != config.resblock_kernel_sizes.size())
    keys.fail(dilations_key, format_text("must have as many lists as {} has elements: {}",
                                         kernels_key, config.resblock_kernel_sizes.size()));
  const std::size_t count = dilations_of(config.resblock);
  for (const std::vector<std::int64_t>& list : config.resblock_dilation_sizes) {
    check_positive(keys, dilations_key, list);
    if (list.size() != count)
      keys.fail(dilations_key,
                format_text("each list must have {} elements for this resblock", count));
  }
}

}  // namespace

bool is_hifi_gan_config(const nlohmann::json& document) {
  return document.is_object() && document.contains("upsample_rates");
}

HifiGanConfig read_hifi_gan_config(const nlohmann::json& document, const std::string& name) {
  JsonKeys keys(document, name);
  HifiGanConfig config;
  read_mel(keys, config.mel);
  read_upsampling(keys, config);
  read_blocks(keys, config);
  config.segment_size = positive(keys, "segment_size", config.segment_size);
  return config;
}

std::int64_t hop_of(const HifiGanConfig& config) {
  std::int64_t hop = 1;
  for (const std::int64_t rate : config.upsample_rates) hop *= rate;
  return hop;
}

}  // namespace ddpm
