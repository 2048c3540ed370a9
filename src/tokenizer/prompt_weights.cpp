#include "ddpm/tokenizer/prompt_weights.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/tokenizer/unicode.h"

namespace ddpm {
namespace {

constexpr double kRound = 1.1, kSquare = 1 / 1.1;
constexpr std::string_view kBreak = "BREAK";
constexpr std::string_view kDelimiters = "\\()[]:";

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string_view trimmed_front(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  return text;
}

std::string_view trimmed_back(std::string_view text) {
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool continues_code_point(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

// The code point at the end (or start) of the text, in UTF-8; empty if the text is.
std::string_view outermost_code_point(std::string_view text, bool at_end) {
  constexpr std::size_t kMostBytes = 4;
  std::size_t length = std::min<std::size_t>(1, text.size());
  const auto goes_on = [&] {
    return continues_code_point(at_end ? text[text.size() - length] : text[length]);
  };
  while (length < std::min(kMostBytes, text.size()) && goes_on()) ++length;
  return at_end ? text.substr(text.size() - length) : text.substr(0, length);
}

// Whether a word would go on with the code point at the end (or start) of the text.
bool continues_word(std::string_view text, bool at_end) {
  const std::u32string points =
      decode_utf8(outermost_code_point(text, at_end)).value_or(std::u32string());
  if (points.empty()) return false;
  const char32_t c = points.front();
  return is_letter(c) || is_number(c) || c == U'_';
}

// ":1.3)" at the start of the text.
struct WeightMark {
  std::size_t length = 0;  // 0: there is none
  std::string number;
};

WeightMark weight_mark(std::string_view text) {
  if (!text.starts_with(':')) return {};
  std::string_view rest = trimmed_front(text.substr(1));
  std::size_t end = rest.starts_with('+') || rest.starts_with('-') ? 1 : 0;
  const std::size_t digits = end;
  while (end < rest.size() && (rest[end] == '.' || (rest[end] >= '0' && rest[end] <= '9'))) ++end;
  if (end == digits) return {};
  const std::string_view closing = trimmed_front(rest.substr(end));
  if (!closing.starts_with(')')) return {};
  return {text.size() - closing.size() + 1, std::string(rest.substr(0, end))};
}

double to_weight(const std::string& number) {
  char* end = nullptr;
  const double value = std::strtod(number.c_str(), &end);
  if (end != number.c_str() + number.size() || !std::isfinite(value))
    throw ConfigError(
        format_text("the prompt has the weight '{}', which is not a number", shorten(number)));
  return value;
}

class WeightParser {
 public:
  std::vector<WeightedText> parse(std::string_view prompt) {
    while (!prompt.empty()) prompt.remove_prefix(take(prompt));
    for (const std::size_t begin : round_) multiply(begin, kRound);
    for (const std::size_t begin : square_) multiply(begin, kSquare);
    return joined();
  }

 private:
  // Handles what stands at the start of the text and returns its length.
  std::size_t take(std::string_view text) {
    switch (text.front()) {
      case '\\':
        return take_escape(text);
      case '(':
        round_.push_back(texts_.size());
        return 1;
      case '[':
        square_.push_back(texts_.size());
        return 1;
      case ')':
        return close(text, round_, kRound);
      case ']':
        return close(text, square_, kSquare);
      case ':':
        if (const WeightMark mark = weight_mark(text); mark.length > 0)
          return take_mark(text, mark);
        add(text.substr(0, 1));
        return 1;
      default: {
        const std::string_view run = text.substr(0, text.find_first_of(kDelimiters));
        add_run(run);
        return run.size();
      }
    }
  }

  // A backslash makes a bracket or a backslash text; before anything else it vanishes.
  std::size_t take_escape(std::string_view text) {
    if (text.size() == 1 || std::string_view("()[]\\").find(text[1]) == std::string_view::npos)
      return 1;
    add(text.substr(1, 1));
    return 2;
  }

  std::size_t take_mark(std::string_view text, const WeightMark& mark) {
    if (round_.empty()) {
      add(text.substr(0, mark.length));
    } else {
      multiply(round_.back(), to_weight(mark.number));
      round_.pop_back();
    }
    return mark.length;
  }

  std::size_t close(std::string_view text, std::vector<std::size_t>& open, double factor) {
    if (open.empty()) {
      add(text.substr(0, 1));
    } else {
      multiply(open.back(), factor);
      open.pop_back();
    }
    return 1;
  }

  void add(std::string_view text) { texts_.push_back({.text = std::string(text)}); }

  // Text without brackets. Blanks around BREAK belong to it.
  void add_run(std::string_view run) {
    for (std::size_t from = 0;;) {
      const std::size_t at = run.find(kBreak, from);
      if (at == std::string_view::npos) break;
      const std::string_view before = run.substr(0, at), after = run.substr(at + kBreak.size());
      from = at + kBreak.size();
      if (continues_word(before, /*at_end=*/true) || continues_word(after, /*at_end=*/false))
        continue;
      add(trimmed_back(before));
      texts_.push_back({.text = std::string(kBreak), .weight = -1});
      run = trimmed_front(after);
      from = 0;
    }
    add(run);
  }

  // Multiplies the weights of everything since that text.
  void multiply(std::size_t begin, double factor) {
    for (std::size_t i = begin; i < texts_.size(); ++i) texts_[i].weight *= factor;
  }

  std::vector<WeightedText> joined() const {
    std::vector<WeightedText> result;
    for (const WeightedText& text : texts_) {
      if (!result.empty() && result.back().weight == text.weight)
        result.back().text += text.text;
      else
        result.push_back(text);
    }
    if (result.empty()) result.emplace_back();
    for (WeightedText& text : result) text.is_break = text.text == kBreak && text.weight == -1;
    return result;
  }

  std::vector<WeightedText> texts_;
  std::vector<std::size_t> round_, square_;  // where the open brackets stand in texts_
};

// Fills chunks one after the other.
class Chunker {
 public:
  Chunker(TokenId comma, std::size_t capacity) : comma_(comma), capacity_(capacity) {}

  void add(TokenId id, double weight) {
    if (id == comma_)
      last_comma_ = std::ssize(chunk_.ids);
    else if (is_full() && last_comma_ >= 0 && std::ssize(chunk_.ids) - last_comma_ <= kMaxMoved)
      finish_at_comma();
    if (is_full()) finish();
    chunk_.ids.push_back(id);
    chunk_.weights.push_back(weight);
  }

  void finish() {
    chunks_.push_back(std::exchange(chunk_, {}));
    last_comma_ = -1;
  }

  std::vector<PromptChunk> chunks() {
    if (!chunk_.ids.empty() || chunks_.empty()) finish();
    return std::move(chunks_);
  }

 private:
  static constexpr std::ptrdiff_t kMaxMoved = 20;

  bool is_full() const { return chunk_.ids.size() >= capacity_; }

  // The ids after the last comma begin the next chunk.
  void finish_at_comma() {
    const std::ptrdiff_t end = last_comma_ + 1;
    const PromptChunk rest{{chunk_.ids.begin() + end, chunk_.ids.end()},
                           {chunk_.weights.begin() + end, chunk_.weights.end()}};
    chunk_.ids.resize(static_cast<std::size_t>(end));
    chunk_.weights.resize(static_cast<std::size_t>(end));
    finish();
    chunk_ = rest;
  }

  TokenId comma_;
  std::size_t capacity_;
  PromptChunk chunk_;
  std::ptrdiff_t last_comma_ = -1;  // in the chunk; -1: there is none
  std::vector<PromptChunk> chunks_;
};

}  // namespace

std::vector<WeightedText> parse_prompt_weights(std::string_view prompt) {
  return WeightParser().parse(prompt);
}

std::vector<PromptChunk> chunk_prompt(const std::vector<WeightedText>& texts,
                                      const ClipTokenizer& tokenizer, std::size_t length) {
  Chunker chunker(tokenizer.vocabulary().find(",</w>").value_or(-1), length - 2);
  for (const WeightedText& text : texts) {
    if (text.is_break)
      chunker.finish();
    else
      for (const TokenId id : tokenizer.ids(text.text)) chunker.add(id, text.weight);
  }
  return chunker.chunks();
}

}  // namespace ddpm
