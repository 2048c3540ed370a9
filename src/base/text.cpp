#include "ddpm/base/text.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "ddpm/base/format.h"

namespace ddpm {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Three rows of the table of distances between prefixes: the last two, and the one being filled.
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) now[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before, last);
    std::swap(last, now);
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) now[j] = std::min(now[j], before[j - 2] + 1);
    }
  }
  return now[b.size()];
}

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
  const std::string* best = nullptr;
  std::size_t best_distance = 0;
  for (const std::string& candidate : candidates) {
    const std::size_t longer = std::max(word.size(), candidate.size());
    const std::size_t shorter = std::min(word.size(), candidate.size());
    // Half of a short word is not enough to recognise it by.
    const std::size_t limit =
        std::min(std::max<std::size_t>(candidate.size() / 3, 2), word.size() / 2);
    if (longer - shorter > limit) continue;  // this also limits the work for a long word
    const std::size_t distance = edit_distance(word, candidate);
    if (distance > limit || distance == longer) continue;
    if (best == nullptr || distance < best_distance) {
      best = &candidate;
      best_distance = distance;
    }
  }
  return best == nullptr ? std::string() : *best;
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  return join(parts, separator, separator);
}

std::string join(std::span<const std::string> parts, std::string_view separator,
                 std::string_view last_separator) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += i + 1 == parts.size() ? last_separator : separator;
    text += parts[i];
  }
  return text;
}

std::string join_names(std::span<const std::string_view> names, std::string_view last_separator) {
  return join(std::vector<std::string>(names.begin(), names.end()), ", ", last_separator);
}

std::string counted(std::int64_t count, const std::string& noun) {
  const char* ending = count == 1 ? "" : noun.ends_with('s') ? "es" : "s";
  return format_text("{} {}{}", count, noun, ending);
}

std::string lower_case(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

std::string shorten(std::string_view text, std::size_t max_bytes) {
  constexpr std::string_view kMark = "...";
  std::size_t end = text.size();
  if (end > max_bytes) {
    end = max_bytes > kMark.size() ? max_bytes - kMark.size() : 0;
    // Bytes 10xxxxxx continue a character.
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  }
  std::string result(text.substr(0, end));
  for (char& c : result) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  if (end < text.size()) result += kMark;
  return result;
}

namespace {

unsigned byte_at(std::string_view text, std::size_t i) {
  return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
}

// The length of the character of UTF-8 at the start of the text (RFC 3629); 0 if there is none.
std::size_t character_length(std::string_view text) {
  const unsigned first = byte_at(text, 0), second = byte_at(text, 1);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte_at(text, i) & 0xC0U) != 0x80) return 0;
  // Longer than needed, surrogates, and beyond U+10FFFF.
  const bool is_wrong = (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
                        (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
  return is_wrong ? 0 : length;
}

// Also those of two bytes, U+0080 to U+009F, which some terminals obey.
bool is_control(std::string_view character) {
  const unsigned first = byte_at(character, 0);
  return character.size() == 1 ? first < 0x20 || first == 0x7F
                               : first == 0xC2 && byte_at(character, 1) < 0xA0;
}

void append_escaped(std::string& result, std::string_view bytes) {
  for (const char byte : bytes)
    result += format_text("\\x{:02X}", static_cast<unsigned>(static_cast<unsigned char>(byte)));
}

// Calls use(character, is_valid) for each character; a byte that is not part of one stands alone.
template <class Use>
void for_each_character(std::string_view text, const Use& use) {
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    use(text.substr(0, std::max<std::size_t>(length, 1)), length > 0);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
}

}  // namespace

std::string valid_utf8(std::string_view text) {
  std::string result;
  for_each_character(text, [&](std::string_view character, bool is_valid) {
    if (is_valid)
      result += character;
    else
      append_escaped(result, character);
  });
  return result;
}

std::string printable(std::string_view text, bool keep_lines) {
  std::string result;
  for_each_character(text, [&](std::string_view character, bool is_valid) {
    const bool ends_line = character == "\n" || character == "\t";
    if (ends_line && !keep_lines)
      result += character == "\n" ? "\\n" : "\\t";
    else if (!is_valid || (is_control(character) && !ends_line))
      append_escaped(result, character);
    else
      result += character;
  });
  return result;
}

std::string escaped(std::string_view text) {
  const auto looks_escaped = [&] {
    for (std::size_t i = 0; i + 1 < text.size(); ++i)
      if (text[i] == '\\' && std::string_view("\\ntx").find(text[i + 1]) != std::string_view::npos)
        return true;
    return false;
  };
  std::string result = printable(text);
  if (result == text && !looks_escaped()) return result;
  std::string doubled;
  for (const char c : text) doubled.append(c == '\\' ? 2 : 1, c);
  return printable(doubled);
}

std::string shown(const std::filesystem::path& path) { return printable(path.native()); }

}  // namespace ddpm
