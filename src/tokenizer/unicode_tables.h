// Tables of Unicode, made by scripts/tokenizer_data.py. All are sorted by code point.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ddpm::unicode_tables {

struct CodePointRun {
  char32_t first, last;
};

// Every `step`-th code point from first to last becomes itself plus `offset`.
struct LowerCaseRun {
  char32_t first, last, step;
  std::int32_t offset;
};

struct MarkRun {
  char32_t first, last;
  std::uint8_t combining_class;
};

struct Decomposition {
  char32_t code_point, first;
  char32_t second;   // 0: there is only one part
  bool is_composed;  // by NFC; else it is only taken apart
};

extern const CodePointRun kLetters[], kNumbers[], kWhiteSpace[];
extern const std::size_t kLettersCount, kNumbersCount, kWhiteSpaceCount;
extern const LowerCaseRun kLower[];
extern const std::size_t kLowerCount;
extern const MarkRun kMarks[];
extern const std::size_t kMarksCount;
extern const Decomposition kDecompositions[];
extern const std::size_t kDecompositionsCount;

}  // namespace ddpm::unicode_tables
