// Small helpers for texts that people read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ddpm {

// The least number of edits that turn `a` into `b`, where an edit inserts, deletes or replaces a
// byte or swaps two neighbours (optimal string alignment). Takes time proportional to |a| * |b|.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate that a person most likely meant by `word`: the one with the least edit distance,
// the first of several. Empty if none is near. Near means within two edits or a third of the
// candidate's length, and with something in common. Fast for a `word` of any length.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

// "a, b, c".
std::string join(std::span<const std::string> parts, std::string_view separator = ", ");

// join(parts, ", ", " or ") is "a, b or c".
std::string join(std::span<const std::string> parts, std::string_view separator,
                 std::string_view last_separator);

// "a, b, c" or "a, b or c", of the names of a choice (base/choice.h).
std::string join_names(std::span<const std::string_view> names,
                       std::string_view last_separator = ", ");

// "1 image", "40 images": the plural of `noun` must be `noun` with an s.
std::string counted(std::int64_t count, const std::string& noun);

// Makes `text` fit for a message: at most `max_bytes` long, with "..." where it was cut, and '?'
// for control characters. It is cut between characters of UTF-8.
std::string shorten(std::string_view text, std::size_t max_bytes = 120);

}  // namespace ddpm
