// Turns prompts into the ids that CLIP's text encoders take, as the library transformers does.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ddpm/base/choice.h"
#include "ddpm/tokenizer/byte_pairs.h"

namespace ddpm {

// What fills up a prompt to the length that a text encoder takes. The encoder attends to it, so it
// must be what the model was trained with.
enum class ClipPadding {
  kEnd,          // the end token: Stable Diffusion 1, and the first encoder of XL
  kZero,         // id 0: OpenCLIP, so Stable Diffusion 2 and the second encoder of XL
  kExclamation,  // id 0 as the token "!", so every ! of the prompt becomes 0 too: how the files of
                 // XL for transformers have it
};
constexpr auto choice_names(ClipPadding) { return name_list("end", "zero", "exclamation"); }

// A text that is one token wherever it stands.
struct SpecialToken {
  std::string text;
  TokenId id = 0;
  bool normalized = false;  // it is found after lower-casing, so in any spelling
};

struct ClipTokens {
  std::vector<SpecialToken> special;
  TokenId start = 0, end = 0, pad = 0;
};

// A prompt as a text encoder takes it.
struct PaddedPrompt {
  std::vector<TokenId> ids;  // start, the prompt, end, padding
  std::size_t used = 0;      // ids before the padding
  std::vector<TokenId> cut;  // those of the prompt that did not fit
};

class ClipTokenizer {
 public:
  static constexpr std::size_t kLength = 77;  // of the published text encoders

  // Throws CheckpointError if a token is not in [0, vocabulary.size()).
  ClipTokenizer(BytePairs vocabulary, ClipTokens tokens);

  // The tokenizer of all versions of Stable Diffusion, with the vocabulary in the program.
  static ClipTokenizer of_clip(ClipPadding padding = ClipPadding::kEnd);

  // Makes a word, in any spelling and where neither letters nor numbers are beside it, the ids first,
  // first + 1, ..., which may lie beyond the vocabulary: of a textual inversion. Throws ConfigError for a
  // word that is empty, not UTF-8 or known already.
  void add_word(const std::string& word, TokenId first, std::size_t count);

  // The ids of a text of any length, without start and end. Throws ConfigError if the text is not
  // UTF-8.
  std::vector<TokenId> ids(std::string_view text) const;

  // Cuts the ids so that start, ids and end are at most `length`, which is at least 2, and fills up
  // with the padding.
  PaddedPrompt padded(const std::vector<TokenId>& ids, std::size_t length = kLength) const;

  const BytePairs& vocabulary() const { return vocabulary_; }
  const ClipTokens& tokens() const { return tokens_; }

  // The text that the ids stand for, with a space after each word. Bytes that are not UTF-8, as
  // when a character is cut, stay as they are.
  std::string text_of(const std::vector<TokenId>& ids) const;

 private:
  struct Pattern {
    std::u32string text;
    TokenId id;
    std::size_t count = 1;    // of ids from `id` on
    bool whole_word = false;  // it does not begin or end within a word

    bool is_at(std::u32string_view whole, std::size_t place) const;
  };
  void append_part(std::u32string_view text, bool is_normalized, std::vector<TokenId>& ids) const;
  void append_words(std::u32string_view text, std::vector<TokenId>& ids) const;

  BytePairs vocabulary_;
  ClipTokens tokens_;
  std::vector<Pattern> raw_patterns_, normalized_patterns_;
};

}  // namespace ddpm
