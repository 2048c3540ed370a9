#include "ddpm/architecture/clip_text.h"

#include <array>

#include "ddpm/base/format.h"
#include "ddpm/formats/json_keys.h"

namespace ddpm {
namespace {

// Nothing that can be trained is larger; what is computed from the config then fits 64 bits.
constexpr std::int64_t kMaxSize = 1 << 20, kMaxLayers = 1000;

constexpr std::array<Word<ClipActivation>, 2> kActivations = {
    {{"quick_gelu", ClipActivation::kQuickGelu}, {"gelu", ClipActivation::kGelu}}};

// The id that files of 2022 and 2023 call the end token. It is not: there, the largest id ends a
// sequence.
constexpr std::int64_t kOldEndToken = 2;

}  // namespace

void check_clip_text_config(const ClipTextConfig& config, const std::string& name) {
  const auto check = [&](const char* what, std::int64_t value, std::int64_t most) {
    if (value < 1 || value > most)
      throw CheckpointError(
          format_text("{}: text encoder: {} must be in [1, {}]", name, what, most));
  };
  check("vocab_size", config.tokens, kMaxSize);
  check("max_position_embeddings", config.positions, kMaxSize);
  check("hidden_size", config.width, kMaxSize);
  check("intermediate_size", config.inner_width, kMaxSize);
  check("num_hidden_layers", config.layers, kMaxLayers);
  check("num_attention_heads", config.heads, config.width);
  if (config.projection != 0) check("projection_dim", config.projection, kMaxSize);
  if (config.width % config.heads != 0)
    throw CheckpointError(
        format_text("{}: text encoder: hidden_size {} is not divisible by {} heads", name,
                    config.width, config.heads));
}

ClipTextConfig read_clip_text_config(const nlohmann::json& document, const std::string& name) {
  if (document.is_object() && document.contains("text_config"))
    return read_clip_text_config(document["text_config"], name + ": text_config");
  JsonKeys keys(document, name);
  const std::string type = keys.text("model_type", "clip_text_model");
  if (type != "clip_text_model" && type != "clip")
    keys.fail("model_type", "only the text encoders of CLIP are supported");
  ClipTextConfig config;
  config.tokens = keys.integer("vocab_size", config.tokens);
  config.positions = keys.integer("max_position_embeddings", config.positions);
  config.width = keys.integer("hidden_size", config.width);
  config.inner_width = keys.integer("intermediate_size", config.inner_width);
  config.layers = keys.integer("num_hidden_layers", config.layers);
  config.heads = keys.integer("num_attention_heads", config.heads);
  config.activation = keys.word("hidden_act", "quick_gelu", kActivations);
  keys.require("layer_norm_eps", 1e-5);
  for (const std::string& architecture : keys.texts("architectures", {}))
    if (architecture == "CLIPTextModelWithProjection")
      config.projection = keys.integer("projection_dim", 512);
  const std::int64_t end = keys.integer_or_null("eos_token_id", config.end_token).value_or(-1);
  config.end_token = end == kOldEndToken ? -1 : end;
  check_clip_text_config(config, name);
  return config;
}

nlohmann::ordered_json clip_text_json(const ClipTextConfig& config) {
  nlohmann::ordered_json result = {
      {"architectures",
       {config.projection > 0 ? "CLIPTextModelWithProjection" : "CLIPTextModel"}},
      {"model_type", "clip_text_model"},
      {"vocab_size", config.tokens},
      {"max_position_embeddings", config.positions},
      {"hidden_size", config.width},
      {"intermediate_size", config.inner_width},
      {"num_hidden_layers", config.layers},
      {"num_attention_heads", config.heads},
      {"hidden_act", name_of(config.activation)},
      {"layer_norm_eps", 1e-5}};
  if (config.projection > 0) result["projection_dim"] = config.projection;
  result["eos_token_id"] = config.end_token < 0 ? kOldEndToken : config.end_token;
  return result;
}

}  // namespace ddpm
