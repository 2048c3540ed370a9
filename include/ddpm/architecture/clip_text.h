// The text encoder of CLIP. Radford et al., "Learning Transferable Visual Models From Natural
// Language Supervision", https://arxiv.org/abs/2103.00020, section 2.4. Its shape, as the
// config.json of transformers' CLIPTextModel says it; OpenCLIP's encoders are the same with other
// numbers.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "ddpm/base/choice.h"

namespace ddpm {

enum class ClipActivation {
  kQuickGelu,  // x * sigmoid(1.702 x): OpenAI's models
  kGelu,       // OpenCLIP's
};
constexpr auto choice_names(ClipActivation) { return name_list("quick_gelu", "gelu"); }

struct ClipTextConfig {
  std::int64_t tokens = 49408;  // vocab_size
  std::int64_t positions = 77;  // max_position_embeddings: ids of a sequence
  std::int64_t width = 512;     // hidden_size
  std::int64_t inner_width = 2048;
  std::int64_t layers = 12;
  std::int64_t heads = 8;
  ClipActivation activation = ClipActivation::kQuickGelu;
  std::int64_t projection = 0;  // width of the pooled row after text_projection; 0: there is none
  // The token whose first occurrence ends a sequence; nothing is known: the largest id does.
  std::int64_t end_token = 49407;
};

// Reads config.json of CLIPTextModel or CLIPTextModelWithProjection, or the text_config of a whole
// CLIPModel. Throws CheckpointError that names the key for other models and values that contradict
// each other.
ClipTextConfig read_clip_text_config(const nlohmann::json& document, const std::string& name);

// The config.json of such an encoder.
nlohmann::ordered_json clip_text_json(const ClipTextConfig& config);

// Throws CheckpointError "<name>: ..." if the network cannot be built.
void check_clip_text_config(const ClipTextConfig& config, const std::string& name);

}  // namespace ddpm
