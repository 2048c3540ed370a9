// Byte-pair encoding of words (Sennrich et al., "Neural Machine Translation of Rare Words with
// Subword Units") over bytes, as in CLIP.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ddpm {

using TokenId = std::int32_t;

// A vocabulary has at most so many pieces, so that sizes computed from a hostile file stay small.
inline constexpr TokenId kMaxTokens = 1 << 20;

class BytePairs {
 public:
  // A piece with its id, and two pieces that are merged. Pieces are spelled as in vocab.json: each
  // byte is the character that byte_characters() gives it, and the last piece of a word ends with
  // "</w>".
  struct Piece {
    std::string text;
    TokenId id = 0;
  };
  struct Merge {
    std::string left, right;
  };

  // Earlier merges come first. `unknown` is the id of bytes that are not in the vocabulary. Throws
  // CheckpointError "<name>: ..." if pieces or ids repeat or an id is not in [0, kMaxTokens), if a
  // merge has a part or a result that is not a piece, and if `unknown` is no id.
  BytePairs(const std::vector<Piece>& pieces, const std::vector<Merge>& merges, TokenId unknown,
            const std::string& name);

  // The vocabulary of OpenAI's CLIP, which all versions of Stable Diffusion use: 49,408 pieces. It
  // is part of the program (src/tokenizer/embedded/README.md).
  static BytePairs of_clip();

  // Ids are below this.
  TokenId size() const { return static_cast<TokenId>(texts_.size()); }

  // The id of the piece with this spelling; nothing if there is none.
  std::optional<TokenId> find(const std::string& piece) const;

  // The bytes of the piece, without the mark of a word's end; empty for an id without a piece. They
  // need not be UTF-8.
  std::string bytes_of(TokenId id) const;
  // Whether a word ends with the piece.
  bool ends_word(TokenId id) const;

  // Appends the ids of a word, which are bytes without white space. Takes time proportional to n
  // log n.
  void append_word(std::string_view word, std::vector<TokenId>& ids) const;

 private:
  struct Join {
    TokenId rank, result;
  };

  TokenId unknown_;
  std::vector<std::string> texts_;  // by id; empty: there is no piece
  std::unordered_map<std::string, TokenId> ids_;
  std::unordered_map<std::uint64_t, Join> joins_;  // by both ids
  std::vector<TokenId> inner_, last_;  // ids of single bytes, the latter at a word's end
};

// The character that stands for each byte: printable ones of Latin-1 stand for themselves, the
// other 68 bytes are U+0100, U+0101, ...
const std::vector<char32_t>& byte_characters();

}  // namespace ddpm
