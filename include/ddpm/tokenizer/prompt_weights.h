// Prompts with weights, and longer than a text encoder takes, as stable-diffusion-webui understands
// them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ddpm/tokenizer/clip_tokenizer.h"

namespace ddpm {

struct WeightedText {
  std::string text;
  double weight = 1;
  bool is_break = false;  // the word BREAK: what follows begins a new chunk
};

// Parses (word) as weight 1.1, [word] as 1/1.1, (word:1.3) as 1.3; brackets can be nested, and a
// backslash before a bracket makes it text. An unclosed bracket reaches to the end. BREAK stands
// for itself outside of brackets only; inside it is text, whose weight is then negative, as in the
// original. Neighbours of equal weight are joined. Never empty. Throws ConfigError for a weight
// that is not a number, as in (word:1.2.3).
std::vector<WeightedText> parse_prompt_weights(std::string_view prompt);

// At most 75 ids of a prompt (two fewer than the text encoder takes) without start and end, each with the
// weight of its text.
struct PromptChunk {
  std::vector<TokenId> ids;
  std::vector<double> weights;
};

// The prompt in chunks that the text encoder takes one by one. Each text is tokenised by itself.
// Where a chunk is full and a comma is among its last 20 ids, what follows the comma moves to the
// next one. Never empty. `length`: ids that the text encoder takes, at least 3.
std::vector<PromptChunk> chunk_prompt(const std::vector<WeightedText>& texts,
                                      const ClipTokenizer& tokenizer,
                                      std::size_t length = ClipTokenizer::kLength);

}  // namespace ddpm
