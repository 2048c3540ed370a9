#include "ddpm/tokenizer/clip_tokenizer.h"

#include <algorithm>
#include <array>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/tokenizer/unicode.h"

namespace ddpm {
namespace {

constexpr std::string_view kStart = "<|startoftext|>", kEnd = "<|endoftext|>";

std::u32string normalized(std::u32string_view text) { return lower_case(nfc(text)); }

std::string to_utf8(std::u32string_view text) {
  std::string result;
  for (const char32_t c : text) append_utf8(result, c);
  return result;
}

bool is_other(char32_t c) { return !is_letter(c) && !is_number(c) && !is_white_space(c); }

// The length of the longest beginning whose code points are all of a kind.
std::size_t run_length(std::u32string_view text, bool (*is_of_kind)(char32_t)) {
  return static_cast<std::size_t>(std::ranges::find_if_not(text, is_of_kind) - text.begin());
}

// The length of the word at the start of the text, which is not white space. Alternatives are tried
// in the order of the published regular expression.
std::size_t word_length(std::u32string_view text) {
  static constexpr std::array<std::u32string_view, 7> kEndings = {U"'s", U"'t",  U"'re", U"'ve",
                                                                  U"'m", U"'ll", U"'d"};
  for (const std::u32string_view ending : kEndings)
    if (text.starts_with(ending)) return ending.size();
  if (is_letter(text.front())) return run_length(text, [](char32_t c) { return is_letter(c); });
  if (is_number(text.front())) return 1;
  return run_length(text, is_other);
}

}  // namespace

ClipTokenizer::ClipTokenizer(BytePairs vocabulary, ClipTokens tokens)
    : vocabulary_(std::move(vocabulary)), tokens_(std::move(tokens)) {
  const auto check = [&](TokenId id, const std::string& what) {
    if (id < 0 || id >= vocabulary_.size())
      throw CheckpointError(format_text("the id of {} is {}; the vocabulary has ids below {}", what,
                                        id, vocabulary_.size()));
  };
  check(tokens_.start, "the start token");
  check(tokens_.end, "the end token");
  check(tokens_.pad, "the padding");
  for (const SpecialToken& token : tokens_.special) {
    check(token.id, "'" + shorten(token.text) + "'");
    const std::u32string text = decode_utf8(token.text).value_or(U"");
    if (text.empty()) throw CheckpointError("a special token is empty, or not UTF-8");
    if (token.normalized)
      normalized_patterns_.push_back({normalized(text), token.id});
    else
      raw_patterns_.push_back({text, token.id});
  }
}

ClipTokenizer ClipTokenizer::of_clip(ClipPadding padding) {
  BytePairs vocabulary = BytePairs::of_clip();
  const TokenId end = vocabulary.size() - 1, start = end - 1;
  const bool exclamation = padding == ClipPadding::kExclamation;
  ClipTokens tokens{.special = {{std::string(kStart), start, /*normalized=*/true},
                                {std::string(kEnd), end, /*normalized=*/exclamation}},
                    .start = start,
                    .end = end,
                    .pad = padding == ClipPadding::kEnd ? end : 0};
  if (exclamation) tokens.special.push_back({"!", 0, /*normalized=*/false});
  return {std::move(vocabulary), std::move(tokens)};
}

void ClipTokenizer::add_word(const std::string& word, TokenId first, std::size_t count) {
  const std::u32string text = normalized(decode_utf8(word).value_or(U""));
  if (text.empty())
    throw ConfigError(
        format_text("the word '{}' is empty, or not UTF-8", shorten(printable(word))));
  if (std::ranges::any_of(normalized_patterns_, [&](const Pattern& p) { return p.text == text; }))
    throw ConfigError(format_text("the word '{}' is there already", shorten(word)));
  normalized_patterns_.push_back({text, first, count, /*whole_word=*/true});
}

bool ClipTokenizer::Pattern::is_at(std::u32string_view whole, std::size_t place) const {
  if (!whole.substr(place).starts_with(text)) return false;
  const auto is_part_of_word = [](char32_t c) { return is_letter(c) || is_number(c); };
  const std::size_t end = place + text.size();
  return !whole_word || ((place == 0 || !is_part_of_word(whole[place - 1])) &&
                         (end == whole.size() || !is_part_of_word(whole[end])));
}

std::vector<TokenId> ClipTokenizer::ids(std::string_view text) const {
  const std::optional<std::u32string> points = decode_utf8(text);
  if (!points)
    throw ConfigError(format_text("the prompt '{}' is not valid UTF-8", shorten(printable(text))));
  std::vector<TokenId> result;
  append_part(*points, /*is_normalized=*/false, result);
  return result;
}

// Cuts the text at special tokens, first the raw text, then each part normalised.
void ClipTokenizer::append_part(std::u32string_view text, bool is_normalized,
                                std::vector<TokenId>& ids) const {
  const std::vector<Pattern>& patterns = is_normalized ? normalized_patterns_ : raw_patterns_;
  const auto append_rest = [&](std::u32string_view rest) {
    if (is_normalized)
      append_words(rest, ids);
    else if (!rest.empty())
      append_part(normalized(rest), /*is_normalized=*/true, ids);
  };
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size();) {
    const Pattern* longest = nullptr;
    for (const Pattern& pattern : patterns)
      if (pattern.is_at(text, i) &&
          (longest == nullptr || pattern.text.size() > longest->text.size()))
        longest = &pattern;
    if (longest == nullptr) {
      ++i;
      continue;
    }
    append_rest(text.substr(begin, i - begin));
    for (std::size_t k = 0; k < longest->count; ++k)
      ids.push_back(longest->id + static_cast<TokenId>(k));
    begin = i += longest->text.size();
  }
  append_rest(text.substr(begin));
}

void ClipTokenizer::append_words(std::u32string_view text, std::vector<TokenId>& ids) const {
  const auto append = [&](std::size_t length) {
    vocabulary_.append_word(to_utf8(text.substr(0, length)), ids);
    text.remove_prefix(length);
  };
  while (!text.empty()) {
    if (is_white_space(text.front())) {
      text.remove_prefix(1);
    } else if (text.starts_with(U"<|startoftext|>") || text.starts_with(U"<|endoftext|>")) {
      // The published regular expression knows these two, and a second one then splits them.
      append(2);
      append(run_length(text, [](char32_t c) { return is_letter(c); }));
      append(2);
    } else {
      append(word_length(text));
    }
  }
}

PaddedPrompt ClipTokenizer::padded(const std::vector<TokenId>& ids, std::size_t length) const {
  const std::size_t kept = std::min(ids.size(), length - 2);
  const auto middle = ids.begin() + static_cast<std::ptrdiff_t>(kept);
  PaddedPrompt prompt{.ids = {tokens_.start}, .used = kept + 2, .cut = {middle, ids.end()}};
  prompt.ids.insert(prompt.ids.end(), ids.begin(), middle);
  prompt.ids.push_back(tokens_.end);
  prompt.ids.resize(length, tokens_.pad);
  return prompt;
}

std::string ClipTokenizer::text_of(const std::vector<TokenId>& ids) const {
  std::string text;
  for (const TokenId id : ids) {
    text += vocabulary_.bytes_of(id);
    if (vocabulary_.ends_word(id)) text += ' ';
  }
  if (text.ends_with(' ')) text.pop_back();
  return text;
}

}  // namespace ddpm
