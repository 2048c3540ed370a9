#include "text_options.h"

#include <charconv>
#include <cmath>

#include "ddpm/base/file.h"
#include "ddpm/base/text.h"

namespace ddpm::cli {
namespace {

constexpr const char* kGroup = "Prompts";
constexpr std::size_t kMaxPromptBytes = std::size_t{16} << 20;

// FILE:0.8, or FILE alone, which may have a colon in its name.
LoraFile parse_lora(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || path_exists(text)) return {.path = text};
  const char *begin = text.data() + colon + 1, *end = text.data() + text.size();
  double strength = 0;
  const auto parsed = std::from_chars(begin, end, strength);
  if (parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(strength))
    return {.path = text};
  return {.path = text.substr(0, colon), .strength = strength};
}

}  // namespace

void add_text_options(CLI::App& command, TextOptions& options) {
  command
      .add_option("--prompt", options.prompts,
                  "What the picture shows, for a text-to-image model; can be repeated. (word:1.3), "
                  "[word] and BREAK are understood as in stable-diffusion-webui")
      ->type_name("TEXT")
      ->allow_extra_args(false)
      ->group(kGroup);
  command.add_option("--prompts", options.prompts_file, "A file of prompts, one a line")
      ->type_name("FILE")
      ->group(kGroup);
  command
      .add_option("--negative", options.negative,
                  "What guidance leads the picture away from [nothing]")
      ->type_name("TEXT")
      ->group(kGroup);
  command
      .add_option("--clip-skip", options.clip_skip,
                  "Leave out N - 1 of the text encoder's last layers, as webui counts [1]")
      ->check(between(1, 100))
      ->type_name("N")
      ->group(kGroup);
  command
      .add_option("--lora", options.loras,
                  "Merge the low-rank changes of this file into the model, with this strength [1]; "
                  "can be repeated")
      ->type_name("FILE[:X]")
      ->allow_extra_args(false)
      ->group(kGroup);
  command
      .add_option(
          "--embedding", options.embeddings,
          "Add the word of this textual inversion: the file's name, or what the file says; can "
          "be repeated")
      ->type_name("FILE")
      ->allow_extra_args(false)
      ->group(kGroup);
  command
      .add_option("--text-encoder", options.text_encoder,
                  "Take the text encoders of this folder or file [the model's]")
      ->type_name("PATH")
      ->group(kGroup);
  command
      .add_option("--vae", options.vae,
                  "Decode the model's latents with the autoencoder of this folder or file [the "
                  "model's]")
      ->type_name("PATH")
      ->group(kGroup);
  command
      .add_flag(
          "--tiled", options.tiled,
          "Decode in tiles, as diffusers does: less memory for large pictures, another result")
      ->group(kGroup);
}

void check_text_options(const TextOptions& options) {
  if (options.has_prompt()) return;
  const auto refuse = [](bool given, const char* option) {
    if (given) throw ConfigError(std::string(option) + ": without --prompt it has no effect");
  };
  refuse(options.negative.has_value(), "--negative");
  refuse(options.clip_skip.has_value(), "--clip-skip");
  refuse(!options.loras.empty(), "--lora");
  refuse(!options.embeddings.empty(), "--embedding");
  refuse(!options.text_encoder.empty(), "--text-encoder");
}

std::optional<AutoencoderFile> autoencoder_for(const TextOptions& options, const fs::path& model) {
  return options.vae.empty() ? find_autoencoder(model) : open_autoencoder(options.vae);
}

std::vector<std::string> prompts_of(const TextOptions& options) {
  std::vector<std::string> prompts = options.prompts;
  if (options.prompts_file.empty()) return prompts;
  const std::string text =
      read_as_data([&] { return read_file(options.prompts_file, kMaxPromptBytes); });
  for (std::string& line : lines_of(text, "--prompts")) prompts.push_back(std::move(line));
  return prompts;
}

std::vector<ConfigOverride> text_defaults(const std::vector<std::string>& prompts,
                                          const fs::path& model,
                                          const std::vector<ConfigOverride>& given) {
  if (prompts.empty()) return {};
  const std::string count = format_text("{}", prompts.size());
  std::vector<ConfigOverride> defaults = {{"sampling.count", count, "--prompt"}};
  const auto add = [&](const char* key, const char* value) {
    defaults.push_back({key, value, "--prompt"});
  };
  if (is_folder(model) && !path_exists(model / "model_index.json")) return defaults;  // a run
  add("sampling.steps", "25");
  add("sampling.guidance", "7.5");
  add("sampling.batch_size", "4");
  if (is_folder(model)) return defaults;  // its scheduler says how to sample
  if (find_override(given, "sampling.sampler") == nullptr) {
    add("sampling.sampler", "dpm++2m");
    add("sampling.sigmas", "karras");
  }
  // As the schedulers of the published folders have it.
  add("sampling.spacing", "leading");
  add("sampling.steps_offset", "1");
  add("sampling.set_alpha_to_one", "false");
  return defaults;
}

void settle_guidance(const std::vector<ConfigOverride>& overrides, Config& config) {
  constexpr double kGuidanceOfXl = 5;
  bool is_default = false;
  for (const ConfigOverride& change : overrides)
    if (change.path == "sampling.guidance") is_default = change.origin == "--prompt";
  if (is_default && config.model.vector_width > 0) config.sampling.guidance = kGuidanceOfXl;
}

void convert_to_latents(std::vector<ConfigOverride>& overrides,
                        const AutoencoderConfig& autoencoder) {
  const std::int64_t factor = reduction_of(autoencoder);
  for (ConfigOverride& change : overrides) {
    if (change.origin != "--image-size") continue;
    const std::int64_t side = std::stoll(change.value);
    if (side % factor != 0)
      throw ConfigError(format_text(
          "--image-size: {} pixels: the sides of this model's pictures must be divisible by {}",
          side, factor));
    change.value = std::to_string(side / factor);
  }
}

void settle_latent_size(LoadedModel& model, const AutoencoderConfig& autoencoder) {
  DataConfig& data = model.config.data;
  if (data.height > 0) return;
  // Version 2 predicts the velocity in its model for larger pictures only.
  constexpr std::int64_t kVersion2Context = 1024, kLargeVersion2 = 768;
  const bool large = model.config.model.context_width == kVersion2Context &&
                     model.config.diffusion.prediction_type == Prediction::kVelocity;
  const std::int64_t side = large ? kLargeVersion2 : autoencoder.sample_size;
  data.height = data.width = side / reduction_of(autoencoder);
}

std::vector<EncodedPrompt> encode_prompts(const TextOptions& options,
                                          const std::vector<std::string>& prompts,
                                          const fs::path& path, const LoadedModel& model,
                                          std::int64_t reduction) {
  if (prompts.empty()) return {};
  if (model.config.model.context_width == 0)
    throw ConfigError("--prompt: this model does not take a text (model.context_width = 0)");
  PromptRequest request{
      .encoders = options.text_encoder.empty() ? path : fs::path(options.text_encoder),
      .prompts = prompts,
      .negative_prompt = options.negative,
      .clip_skip = options.clip_skip.value_or(1)};
  for (const std::string& lora : options.loras) request.loras.push_back(parse_lora(lora));
  request.embeddings.assign(options.embeddings.begin(), options.embeddings.end());
  request.sizes = {.height = reduction * model.config.data.height,
                   .width = reduction * model.config.data.width};
  return ddpm::encode_prompts(model, request);
}

}  // namespace ddpm::cli
