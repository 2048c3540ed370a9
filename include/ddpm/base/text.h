// Small helpers for texts that people read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ddpm {

// Least number of inserted, deleted, replaced and swapped neighbouring bytes that turn `a` into `b`
// (optimal string alignment). Takes time of |a| * |b|.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate a person most likely meant by `word`: the least edit distance, the first among
// equals. Empty if none is near: within two edits or a third of the candidate's length, and with
// something in common. Cheap for a `word` of any length.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

// "a, b, c".
std::string join(std::span<const std::string> parts, std::string_view separator = ", ");

// join(parts, ", ", " or ") is "a, b or c".
std::string join(std::span<const std::string> parts, std::string_view separator,
                 std::string_view last_separator);

// "a, b, c" or "a, b or c", of the names of a choice (base/choice.h).
std::string join_names(std::span<const std::string_view> names,
                       std::string_view last_separator = ", ");

// "1 image", "40 images": `noun` takes an s.
std::string counted(std::int64_t count, const std::string& noun);

// `text` fit for a message: at most `max_bytes` long, marked with "..." where it was cut, control
// characters as '?'. Cuts between the characters of UTF-8.
std::string shorten(std::string_view text, std::size_t max_bytes = 120);

}  // namespace ddpm
