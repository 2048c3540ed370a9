// What a tokenizer needs of Unicode. The tables were taken from the library `tokenizers`
// (scripts/tokenizer_data.py): categories are those of Unicode 16, lower-casing that of 17, NFC
// that of 9.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ddpm {

// The code points of a text in UTF-8 (RFC 3629: no surrogates, no overlong forms); nothing if it is
// not UTF-8.
std::optional<std::u32string> decode_utf8(std::string_view text);

void append_utf8(std::string& text, char32_t code_point);

bool is_letter(char32_t c) noexcept;       // \p{L}
bool is_number(char32_t c) noexcept;       // \p{N}
bool is_white_space(char32_t c) noexcept;  // the property White_Space

// Each code point by itself, so a final sigma is like any other. One code point becomes two:
// U+0130.
std::u32string lower_case(std::u32string_view text);

// Normalization form C (Unicode Standard Annex 15).
std::u32string nfc(std::u32string_view text);

}  // namespace ddpm
