// Small helpers for texts that people read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace ddpm {

// The least number of edits that turn `a` into `b`, where an edit inserts, deletes or replaces a
// byte or swaps two neighbours (optimal string alignment). Takes time proportional to |a| * |b|.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate that a person most likely meant by `word`: that of the least edit distance, the
// first of several; empty if none is near: within two edits or a third of the candidate's length,
// but half of the word's at most, and with something in common. Fast for a `word` of any length.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

// "a, b, c".
std::string join(std::span<const std::string> parts, std::string_view separator = ", ");

// join(parts, ", ", " or ") is "a, b or c".
std::string join(std::span<const std::string> parts, std::string_view separator,
                 std::string_view last_separator);

// "a, b, c" or "a, b or c", of the names of a choice (base/choice.h).
std::string join_names(std::span<const std::string_view> names,
                       std::string_view last_separator = ", ");

// "1 image", "40 images", "2 classes": the plural of `noun` must end in s, or es after an s.
std::string counted(std::int64_t count, const std::string& noun);

// The text with A to Z as a to z, in any locale.
std::string lower_case(std::string text);

// Makes `text` fit for a message: at most `max_bytes` long, with "..." where it was cut, and '?'
// for control characters. It is cut between characters of UTF-8.
std::string shorten(std::string_view text, std::size_t max_bytes = 120);

// The text with every byte that is not part of UTF-8 as \xNN, as in "caf\xE9". For JSON.
std::string valid_utf8(std::string_view text);

// The text as it may be shown on a terminal: the same, with control characters as \xNN too, but a
// line feed as \n and a tab as \t, or both left as they are with `keep_lines`. File names can hold
// anything, also sequences that a terminal obeys.
std::string printable(std::string_view text, bool keep_lines = false);

// printable(text), from which the text can be told: two texts never give the same. Where it escapes
// something, and where the text looks as if it did (a backslash before \, n, t or x), every
// backslash of the text itself is doubled. For names that are recorded.
std::string escaped(std::string_view text);

// printable() of a path, for messages.
std::string shown(const std::filesystem::path& path);

}  // namespace ddpm
