// Words in the files of another program, each with the value that it stands for here.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace ddpm {

template <class Value>
struct Word {
  std::string_view text;
  Value value;
};

// The value that the text stands for; nothing if it is none of the words.
template <class Value, std::size_t size>
constexpr std::optional<Value> value_of(const std::array<Word<Value>, size>& words,
                                        std::string_view text) {
  for (const Word<Value>& word : words)
    if (word.text == text) return word.value;
  return std::nullopt;
}

// The first word for the value; empty if there is none.
template <class Value, std::size_t size>
constexpr std::string_view word_for(const std::array<Word<Value>, size>& words, Value value) {
  for (const Word<Value>& word : words)
    if (word.value == value) return word.text;
  return {};
}

}  // namespace ddpm
