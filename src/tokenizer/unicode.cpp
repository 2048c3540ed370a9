#include "ddpm/tokenizer/unicode.h"

#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include "ddpm/base/text.h"
#include "unicode_tables.h"

namespace ddpm {
namespace {

using namespace unicode_tables;

// The run that holds the code point, or null.
template <class Run>
const Run* find_run(std::span<const Run> runs, char32_t c) {
  const auto after = std::ranges::upper_bound(runs, c, {}, &Run::first);
  if (after == runs.begin()) return nullptr;
  const Run& run = *(after - 1);
  return c <= run.last ? &run : nullptr;
}

std::uint8_t combining_class(char32_t c) {
  const MarkRun* run = find_run(std::span(kMarks, kMarksCount), c);
  return run == nullptr ? 0 : run->combining_class;
}

// --- Syllables of Hangul, which are composed by arithmetic (Unicode Standard, section 3.12) -----

constexpr char32_t kLeads = 0x1100, kVowels = 0x1161, kTails = 0x11A7, kSyllables = 0xAC00;
constexpr char32_t kLeadCount = 19, kVowelCount = 21, kTailCount = 28;
constexpr char32_t kSyllableCount = kLeadCount * kVowelCount * kTailCount;

bool is_syllable(char32_t c) { return c >= kSyllables && c - kSyllables < kSyllableCount; }

void append_syllable_parts(char32_t c, std::u32string& out) {
  const char32_t index = c - kSyllables;
  out += kLeads + index / (kVowelCount * kTailCount);
  out += kVowels + index / kTailCount % kVowelCount;
  if (index % kTailCount != 0) out += kTails + index % kTailCount;
}

// 0: the two do not form a syllable.
char32_t compose_syllable(char32_t a, char32_t b) {
  if (a >= kLeads && a - kLeads < kLeadCount && b >= kVowels && b - kVowels < kVowelCount)
    return kSyllables + ((a - kLeads) * kVowelCount + (b - kVowels)) * kTailCount;
  const bool lacks_tail = is_syllable(a) && (a - kSyllables) % kTailCount == 0;
  return lacks_tail && b > kTails && b - kTails < kTailCount ? a + (b - kTails) : 0;
}

// --- Normalization ---------------------------------------------------------------------------------

void append_decomposed(char32_t c, std::u32string& out) {
  if (is_syllable(c)) return append_syllable_parts(c, out);
  const std::span all(kDecompositions, kDecompositionsCount);
  const auto found = std::ranges::lower_bound(all, c, {}, &Decomposition::code_point);
  if (found == all.end() || found->code_point != c) {
    out += c;
    return;
  }
  append_decomposed(found->first, out);
  if (found->second != 0) append_decomposed(found->second, out);
}

// Sorts each run of marks by their classes; equal ones keep their order.
void order_marks(std::u32string& text) {
  for (auto first = text.begin(); first != text.end();) {
    if (combining_class(*first) == 0) {
      ++first;
      continue;
    }
    const auto last =
        std::find_if(first, text.end(), [](char32_t c) { return combining_class(c) == 0; });
    std::stable_sort(first, last, [](char32_t a, char32_t b) {
      return combining_class(a) < combining_class(b);
    });
    first = last;
  }
}

// 0: the two are not composed.
char32_t compose_pair(char32_t a, char32_t b) {
  static const auto kPairs = [] {
    std::map<std::pair<char32_t, char32_t>, char32_t> pairs;
    for (const Decomposition& d : std::span(kDecompositions, kDecompositionsCount))
      if (d.is_composed) pairs.emplace(std::pair(d.first, d.second), d.code_point);
    return pairs;
  }();
  if (const char32_t syllable = compose_syllable(a, b); syllable != 0) return syllable;
  const auto found = kPairs.find({a, b});
  return found == kPairs.end() ? 0 : found->second;
}

// Composes what was decomposed and ordered: a mark joins the last starter before it unless a mark
// of the same or a higher class, or another starter, stands between them.
std::u32string composed(const std::u32string& text) {
  std::u32string out;
  std::size_t starter = std::u32string::npos;
  std::uint8_t last_class = 0;
  for (const char32_t c : text) {
    const std::uint8_t mark_class = combining_class(c);
    const bool is_next = starter != std::u32string::npos && starter + 1 == out.size();
    if (starter != std::u32string::npos &&
        (is_next || (mark_class > last_class && last_class != 0))) {
      if (const char32_t both = compose_pair(out[starter], c); both != 0) {
        out[starter] = both;
        continue;
      }
    }
    if (mark_class == 0) starter = out.size();
    last_class = mark_class;
    out += c;
  }
  return out;
}

}  // namespace

std::optional<std::u32string> decode_utf8(std::string_view text) {
  if (valid_utf8(text) != text) return std::nullopt;
  std::u32string result;
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const std::size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    char32_t c = length == 1 ? first : first & (0x7FU >> length);
    for (std::size_t j = 1; j < length; ++j)
      c = c << 6U | (static_cast<unsigned char>(text[i + j]) & 0x3FU);
    result += c;
    i += length;
  }
  return result;
}

void append_utf8(std::string& text, char32_t c) {
  const auto part = [&](unsigned shift) {
    text += static_cast<char>(0x80U | (c >> shift & 0x3FU));
  };
  if (c < 0x80) {
    text += static_cast<char>(c);
  } else if (c < 0x800) {
    text += static_cast<char>(0xC0U | c >> 6U);
    part(0);
  } else if (c < 0x10000) {
    text += static_cast<char>(0xE0U | c >> 12U);
    part(6), part(0);
  } else {
    text += static_cast<char>(0xF0U | c >> 18U);
    part(12), part(6), part(0);
  }
}

bool is_letter(char32_t c) noexcept {
  return find_run(std::span(kLetters, kLettersCount), c) != nullptr;
}
bool is_number(char32_t c) noexcept {
  return find_run(std::span(kNumbers, kNumbersCount), c) != nullptr;
}
bool is_white_space(char32_t c) noexcept {
  return find_run(std::span(kWhiteSpace, kWhiteSpaceCount), c) != nullptr;
}

std::u32string lower_case(std::u32string_view text) {
  std::u32string result;
  for (const char32_t c : text) {
    if (c == 0x130) {
      result += U"i\u0307";
      continue;
    }
    const LowerCaseRun* run = find_run(std::span(kLower, kLowerCount), c);
    const bool changes = run != nullptr && (c - run->first) % run->step == 0;
    result += changes ? static_cast<char32_t>(static_cast<std::int32_t>(c) + run->offset) : c;
  }
  return result;
}

std::u32string nfc(std::u32string_view text) {
  std::u32string decomposed;
  for (const char32_t c : text) append_decomposed(c, decomposed);
  order_marks(decomposed);
  return composed(decomposed);
}

}  // namespace ddpm
