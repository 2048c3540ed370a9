#include "ddpm/tokenizer/byte_pairs.h"

#include <algorithm>
#include <queue>
#include <span>
#include <sstream>
#include <tuple>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/gzip.h"
#include "ddpm/tokenizer/unicode.h"

namespace ddpm {

std::span<const std::byte> embedded_merges_gz();  // defined by cmake/Embed.cmake

namespace {

constexpr std::string_view kWordEnd = "</w>";

bool is_printable(int byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

// The pieces of single bytes come first in CLIP's vocabulary: printable ones, then the others.
std::vector<std::string> byte_pieces() {
  std::vector<std::string> pieces;
  for (const bool printable_ones : {true, false})
    for (int byte = 0; byte < 256; ++byte)
      if (is_printable(byte) == printable_ones)
        append_utf8(pieces.emplace_back(), byte_characters()[static_cast<std::size_t>(byte)]);
  return pieces;
}

std::uint64_t key_of(TokenId left, TokenId right) {
  return static_cast<std::uint64_t>(left) << 32U | static_cast<std::uint64_t>(right);
}

std::string_view without_word_end(std::string_view piece) {
  if (piece.ends_with(kWordEnd)) piece.remove_suffix(kWordEnd.size());
  return piece;
}

// The symbols of a word while they are merged: a list, because merged ones disappear.
struct Symbol {
  TokenId id = 0;
  std::ptrdiff_t previous = -1, next = -1;  // -1: none
  bool is_merged = false;                   // into the one before it
};

// A pair that could be merged; the lowest rank first, then the leftmost.
struct Candidate {
  TokenId rank;
  std::ptrdiff_t left;
  TokenId left_id, right_id, result;
  bool operator>(const Candidate& other) const {
    return std::tie(rank, left) > std::tie(other.rank, other.left);
  }
};

}  // namespace

const std::vector<char32_t>& byte_characters() {
  static const std::vector<char32_t> kCharacters = [] {
    std::vector<char32_t> characters;
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte)
      characters.push_back(is_printable(byte) ? static_cast<char32_t>(byte) : next++);
    return characters;
  }();
  return kCharacters;
}

BytePairs::BytePairs(const std::vector<Piece>& pieces, const std::vector<Merge>& merges,
                     TokenId unknown, const std::string& name)
    : unknown_(unknown) {
  const auto require_piece = [&](const std::string& text) {
    const std::optional<TokenId> id = find(text);
    if (!id)
      throw CheckpointError(format_text("{}: the merges use '{}', which is not in the vocabulary",
                                        name, shorten(text)));
    return *id;
  };
  for (const auto& [text, id] : pieces) {
    if (id < 0 || id >= kMaxTokens)
      throw CheckpointError(format_text("{}: the id of '{}' is {}; it must be in [0, {}]", name,
                                        shorten(text), id, kMaxTokens - 1));
    if (static_cast<std::size_t>(id) >= texts_.size())
      texts_.resize(static_cast<std::size_t>(id) + 1);
    std::string& place = texts_[static_cast<std::size_t>(id)];
    if (text.empty() || !place.empty() || !ids_.emplace(text, id).second)
      throw CheckpointError(
          format_text("{}: piece '{}' or its id {} is not unique", name, shorten(text), id));
    place = text;
  }
  if (unknown < 0 || unknown >= size())
    throw CheckpointError(format_text("{}: there is no id {} for unknown bytes", name, unknown));
  TokenId rank = 0;
  for (const auto& [left, right] : merges) {
    const TokenId a = require_piece(left), b = require_piece(right);
    joins_.emplace(key_of(a, b), Join{rank++, require_piece(left + right)});
  }
  for (const char32_t character : byte_characters()) {
    std::string piece;
    append_utf8(piece, character);
    inner_.push_back(find(piece).value_or(-1));
    last_.push_back(find(piece.append(kWordEnd)).value_or(-1));
  }
}

BytePairs BytePairs::of_clip() {
  constexpr std::uint64_t kMaxBytes = 1 << 20;
  const std::string name = "the embedded vocabulary";
  const std::vector<std::uint8_t> text = gunzip(embedded_merges_gz(), name, kMaxBytes);
  std::vector<Piece> pieces;
  const auto add = [&](std::string piece) {
    pieces.push_back({std::move(piece), static_cast<TokenId>(pieces.size())});
  };
  for (const std::string& piece : byte_pieces()) add(piece);
  for (const std::string& piece : byte_pieces()) add(piece + std::string(kWordEnd));
  std::vector<Merge> merges;
  std::istringstream lines(std::string(text.begin(), text.end()));
  for (Merge merge; lines >> merge.left >> merge.right;) {
    merges.push_back(merge);
    add(merge.left + merge.right);
  }
  add("<|startoftext|>");
  add("<|endoftext|>");
  return {pieces, merges, pieces.back().id, name};
}

std::optional<TokenId> BytePairs::find(const std::string& piece) const {
  const auto found = ids_.find(piece);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

bool BytePairs::ends_word(TokenId id) const {
  return texts_.at(static_cast<std::size_t>(id)).ends_with(kWordEnd);
}

std::string BytePairs::bytes_of(TokenId id) const {
  std::string bytes;
  const std::optional<std::u32string> characters =
      decode_utf8(without_word_end(texts_.at(static_cast<std::size_t>(id))));
  for (const char32_t c : characters.value_or(U"")) {
    const auto found = std::ranges::find(byte_characters(), c);
    if (found == byte_characters().end())
      append_utf8(bytes, c);  // a token that a file adds may have any characters
    else
      bytes += static_cast<char>(found - byte_characters().begin());
  }
  return bytes;
}

void BytePairs::append_word(std::string_view word, std::vector<TokenId>& ids) const {
  std::vector<Symbol> symbols;
  for (const char byte : word) {
    const auto i = static_cast<std::ptrdiff_t>(symbols.size());
    const bool is_last = symbols.size() + 1 == word.size();
    symbols.push_back({.id = (is_last ? last_ : inner_)[static_cast<unsigned char>(byte)],
                       .previous = i - 1,
                       .next = is_last ? -1 : i + 1});
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates;
  const auto at = [&](std::ptrdiff_t i) -> Symbol& { return symbols[static_cast<std::size_t>(i)]; };
  const auto consider = [&](std::ptrdiff_t left) {
    if (left < 0 || at(left).next < 0) return;
    const TokenId a = at(left).id, b = at(at(left).next).id;
    if (a < 0 || b < 0) return;  // unknown bytes
    const auto join = joins_.find(key_of(a, b));
    if (join != joins_.end()) candidates.push({join->second.rank, left, a, b, join->second.result});
  };
  for (std::ptrdiff_t i = 0; i < std::ssize(symbols); ++i) consider(i);
  while (!candidates.empty()) {
    const Candidate best = candidates.top();
    candidates.pop();
    Symbol& left = at(best.left);
    // The pair may have changed since it was found.
    if (left.is_merged || left.next < 0 || left.id != best.left_id ||
        at(left.next).id != best.right_id)
      continue;
    Symbol& right = at(left.next);
    right.is_merged = true;
    left.id = best.result;
    left.next = right.next;
    if (left.next >= 0) at(left.next).previous = best.left;
    consider(left.previous);
    consider(best.left);
  }
  for (const Symbol& symbol : symbols)
    if (!symbol.is_merged) ids.push_back(symbol.id < 0 ? unknown_ : symbol.id);
}

}  // namespace ddpm
