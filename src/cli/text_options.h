// The options of pictures from prompts, and of models whose images are latents.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "ddpm/io/autoencoder_file.h"
#include "ddpm/sampling/load_model.h"
#include "ddpm/sampling/prompts.h"

namespace ddpm::cli {

struct TextOptions {
  std::vector<std::string> prompts;     // --prompt
  std::string prompts_file;             // --prompts
  std::optional<std::string> negative;  // --negative
  std::optional<std::int64_t> clip_skip;
  std::vector<std::string> loras;  // FILE or FILE:strength
  std::vector<std::string> embeddings;
  std::string text_encoder, vae;
  bool tiled = false;

  bool has_prompt() const { return !prompts.empty() || !prompts_file.empty(); }
};

void add_text_options(CLI::App& command, TextOptions& options);

// Throws ConfigError for options that have no effect without a prompt.
void check_text_options(const TextOptions& options);

// The autoencoder of --vae, or else that of the model; nothing if its images are pixels.
std::optional<AutoencoderFile> autoencoder_for(const TextOptions& options,
                                               const std::filesystem::path& model);

// Those of --prompt and of the file of --prompts, which is read here; none if there is no prompt.
std::vector<std::string> prompts_of(const TextOptions& options);

// Changes to a config that come before the given ones: one image for each prompt, and for a model that
// was not trained here what people use with Stable Diffusion.
std::vector<ConfigOverride> text_defaults(const std::vector<std::string>& prompts,
                                          const std::filesystem::path& model,
                                          const std::vector<ConfigOverride>& given);

// The same once the model is known: XL is used with less guidance.
void settle_guidance(const std::vector<ConfigOverride>& overrides, Config& config);

// Divides sizes of --image-size by the factor between pictures and latents. Throws ConfigError for
// sides that it does not divide.
void convert_to_latents(std::vector<ConfigOverride>& overrides,
                        const AutoencoderConfig& autoencoder);

// Sets the size of the latents, if nothing says it, to that of the pictures in training.
void settle_latent_size(LoadedModel& model, const AutoencoderConfig& autoencoder);

// The prompts, encoded for the model; none if there is no prompt. `path` is the model's. Merges LoRAs.
std::vector<EncodedPrompt> encode_prompts(const TextOptions& options,
                                          const std::vector<std::string>& prompts,
                                          const std::filesystem::path& path,
                                          const LoadedModel& model, std::int64_t reduction);

}  // namespace ddpm::cli
