// The prompts of pictures, encoded for a network.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ddpm/ops/condition.h"
#include "ddpm/sampling/load_model.h"
#include "ddpm/sampling/text_encoders.h"

namespace ddpm {

// A prompt with the conditions of its pictures, of one row each, on the device.
struct EncodedPrompt {
  std::string prompt;
  std::string negative_prompt;  // "": none, or an empty one
  Condition condition, negative;
  // How else the prompt was read, for the texts of image files: {"Clip skip", "2"}.
  std::vector<std::pair<std::string, std::string>> settings = {};
};

// A file of low-rank changes to the weights (io/merge_lora.h).
struct LoraFile {
  std::filesystem::path path;
  double strength = 1;
};

struct PromptRequest {
  std::filesystem::path encoders;  // whose text encoders; see open_text_encoders
  std::vector<std::string> prompts;
  std::optional<std::string> negative_prompt;  // of all prompts
  std::int64_t clip_skip = 1;                  // see TextEncoders::encode
  std::vector<LoraFile> loras = {};
  std::vector<std::filesystem::path> embeddings = {};  // files of textual inversions
  PictureSizes sizes = {};
};

// Merges the LoRAs into the network and the text encoders, and encodes the prompts. The encoders are
// freed before it returns. Throws ConfigError for encoders of another version of Stable Diffusion than
// the network, and what open_text_encoders, TextEncoders::encode and merge_lora throw.
std::vector<EncodedPrompt> encode_prompts(const LoadedModel& model, const PromptRequest& request);

// The lines of a text that are not empty. Throws ConfigError "<option>: ..." if there are none.
std::vector<std::string> lines_of(const std::string& text, const std::string& option);

// The prompt of an image.
inline const EncodedPrompt& prompt_of(const std::vector<EncodedPrompt>& prompts,
                                      std::int64_t index) {
  return prompts[static_cast<std::size_t>(index) % prompts.size()];
}

// The condition of images first .. first + count - 1, to which the prompts are dealt out in turn: their
// rows one below the other. The prompts must have the same number of tokens.
Condition rows_of(const std::vector<EncodedPrompt>& prompts, std::int64_t first,
                  std::int64_t count);

// How many of the images from `first` on, at most `most`, have prompts of as many tokens as the
// first one, so that one batch can hold them.
std::int64_t images_alike(const std::vector<EncodedPrompt>& prompts, std::int64_t first,
                          std::int64_t most);

}  // namespace ddpm
