#include "ddpm/tokenizer/tokenizer_files.h"

#include <algorithm>
#include <sstream>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/json.h"
#include "ddpm/formats/json_keys.h"

namespace ddpm {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMaxMergesBytes = 16 << 20;
constexpr std::size_t kMaxSpecialTokens = 1000;  // each is searched for at every place of a prompt

// What a vocabulary consists of.
struct Parts {
  std::vector<BytePairs::Piece> pieces;
  std::vector<BytePairs::Merge> merges;
  std::vector<SpecialToken> special;  // with ids
  std::string unknown = "<|endoftext|>";
};

// The tokens with a purpose, as the files that name them say. Their ids are not used.
struct NamedTokens {
  SpecialToken start{.text = "<|startoftext|>"}, end{.text = "<|endoftext|>"},
      unknown{.text = "<|endoftext|>"}, pad{.text = "<|endoftext|>"};
};

TokenId to_id(const json& value, const std::string& piece, const std::string& name) {
  if (!value.is_number_integer() || value < 0 || value >= kMaxTokens)
    throw CheckpointError(format_text("{}: the id of '{}' must be a whole number in [0, {}]", name,
                                      shorten(piece), kMaxTokens - 1));
  return value.get<TokenId>();
}

void read_vocabulary(const json& vocabulary, const std::string& name, Parts& parts) {
  if (!vocabulary.is_object())
    throw CheckpointError(name + ": the vocabulary is not a JSON object of pieces with their ids");
  for (const auto& [piece, id] : vocabulary.items())
    parts.pieces.push_back({piece, to_id(id, piece, name)});
}

BytePairs::Merge to_merge(const std::string& line, const std::string& name) {
  BytePairs::Merge merge;
  std::string rest;
  std::istringstream words(line);
  if (!(words >> merge.left >> merge.right) || words >> rest)
    throw CheckpointError(format_text("{}: the merge '{}' does not consist of two pieces", name,
                                      shorten(printable(line))));
  return merge;
}

void read_merges(std::string_view text, const std::string& name, Parts& parts) {
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty() && !line.starts_with("#version"))
      parts.merges.push_back(to_merge(line, name));
  }
}

// Pairs ["i", "n"], or "i n" in older files.
void read_merges(const json& list, const std::string& name, Parts& parts) {
  if (!list.is_array()) throw CheckpointError(name + ": model.merges is not a list");
  for (const json& merge : list) {
    if (merge.is_string()) {
      parts.merges.push_back(to_merge(merge.get<std::string>(), name));
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      parts.merges.push_back({merge[0].get<std::string>(), merge[1].get<std::string>()});
    } else {
      throw CheckpointError(name + ": model.merges must hold pairs of pieces");
    }
  }
}

// A text, or an object with `content`. A text is found before lower-casing.
SpecialToken read_token(const json& value, const std::string& name) {
  if (value.is_string()) return {.text = value.get<std::string>()};
  JsonKeys keys(value, name);
  for (const char* flag : {"single_word", "lstrip", "rstrip"})
    if (keys.boolean(flag, false)) keys.fail(flag, "not supported");
  return {.text = keys.text("content", ""), .normalized = keys.boolean("normalized", false)};
}

// Adds a token that is found as a whole. It may be new to the vocabulary.
void add_special(SpecialToken token, const std::string& name, Parts& parts) {
  if (parts.special.size() == kMaxSpecialTokens)
    throw CheckpointError(
        format_text("{}: there are more than {} special tokens", name, kMaxSpecialTokens));
  const auto same = [&](const BytePairs::Piece& piece) { return piece.text == token.text; };
  if (std::ranges::none_of(parts.pieces, same)) parts.pieces.push_back({token.text, token.id});
  parts.special.push_back(std::move(token));
}

Parts parts_of_json(const json& document, const std::string& name) {
  Parts parts;
  JsonKeys keys(document, name);
  const json* model = keys.find("model");
  if (model == nullptr) keys.fail("model", "is missing");
  JsonKeys model_keys(*model, name + ": model");
  if (model_keys.text("type", "BPE") != "BPE") model_keys.fail("type", "only BPE is known");
  if (model_keys.text("end_of_word_suffix", "") != "</w>")
    model_keys.fail("end_of_word_suffix", "the tokenizer of CLIP has \"</w>\"");
  parts.unknown = model_keys.text("unk_token", parts.unknown);
  const json *vocabulary = model_keys.find("vocab"), *merges = model_keys.find("merges");
  if (vocabulary == nullptr) model_keys.fail("vocab", "is missing");
  if (merges == nullptr) model_keys.fail("merges", "is missing");
  read_vocabulary(*vocabulary, name, parts);
  read_merges(*merges, name, parts);
  const json* added = keys.find("added_tokens");
  if (added == nullptr) return parts;
  if (!added->is_array()) keys.fail("added_tokens", "must be a list");
  for (const json& entry : *added) {
    SpecialToken token = read_token(entry, name + ": added_tokens");
    if (!entry.is_object()) keys.fail("added_tokens", "its elements must be objects");
    token.id = to_id(entry.value("id", json()), token.text, name);
    add_special(std::move(token), name, parts);
  }
  return parts;
}

Parts parts_of_vocabulary(const json& vocabulary, std::string_view merges,
                          const std::string& name) {
  Parts parts;
  read_vocabulary(vocabulary, name, parts);
  read_merges(merges, name, parts);
  return parts;
}

// tokenizer_config.json may hold {"49406": {"content": ..., "normalized": ...}}.
void add_decoder_tokens(const json& decoder, const std::string& name, Parts& parts) {
  for (const auto& [id, entry] : decoder.items()) {
    SpecialToken token = read_token(entry, name + ": added_tokens_decoder");
    const bool is_number = !id.empty() && id.size() <= 7 &&
                           std::ranges::all_of(id, [](char c) { return c >= '0' && c <= '9'; });
    token.id = to_id(is_number ? json(std::stoi(id)) : json(), token.text, name);
    add_special(std::move(token), name, parts);
  }
}

void read_named(const json& document, const std::string& name, NamedTokens& named) {
  JsonKeys keys(document, name);
  const auto read = [&](const char* key, SpecialToken& token) {
    const json* value = keys.find(key);
    if (value != nullptr && !value->is_null()) token = read_token(*value, name + ": " + key);
  };
  read("bos_token", named.start);
  read("eos_token", named.end);
  read("unk_token", named.unknown);
  read("pad_token", named.pad);
}

ClipTokenizer assemble(Parts parts, const NamedTokens& named, const std::string& name) {
  const auto id_of = [&](const std::string& text) {
    const auto found = std::ranges::find(parts.pieces, text, &BytePairs::Piece::text);
    if (found == parts.pieces.end())
      throw CheckpointError(
          format_text("{}: the token '{}' is not in the vocabulary", name, shorten(text)));
    return found->id;
  };
  // Of tokens with one text the last one counts, but those of the vocabulary's own file come first.
  const std::size_t own = parts.special.size();
  const auto has_text = [](const std::string& text) {
    return [text](const SpecialToken& token) { return token.text == text; };
  };
  for (const SpecialToken* token : {&named.start, &named.end, &named.unknown, &named.pad}) {
    const auto named_before = parts.special.begin() + static_cast<std::ptrdiff_t>(own);
    if (std::any_of(parts.special.begin(), named_before, has_text(token->text))) continue;
    parts.special.erase(std::remove_if(named_before, parts.special.end(), has_text(token->text)),
                        parts.special.end());
    parts.special.push_back({token->text, id_of(token->text), token->normalized});
  }
  ClipTokens tokens{.special = parts.special,
                    .start = id_of(named.start.text),
                    .end = id_of(named.end.text),
                    .pad = id_of(named.pad.text)};
  return {BytePairs(parts.pieces, parts.merges, id_of(parts.unknown), name), std::move(tokens)};
}

std::string read_merges_file(const fs::path& path) {
  try {
    return read_file(path, kMaxMergesBytes);
  } catch (const IoError& error) {
    blame_file<CheckpointError>(error);
  }
}

}  // namespace

bool has_tokenizer_files(const fs::path& folder) {
  return path_exists(folder / "tokenizer.json") || path_exists(folder / "vocab.json");
}

ClipTokenizer read_clip_tokenizer(const fs::path& folder) {
  if (!has_tokenizer_files(folder)) {
    if (has_tokenizer_files(folder / "tokenizer")) return read_clip_tokenizer(folder / "tokenizer");
    throw CheckpointError(
        format_text("{}: there is neither tokenizer.json nor vocab.json in it", shown(folder)));
  }
  const std::string name = shown(folder);
  const bool has_json = path_exists(folder / "tokenizer.json");
  Parts parts = has_json ? parts_of_json(read_json_file(folder / "tokenizer.json"), name)
                         : parts_of_vocabulary(read_json_file(folder / "vocab.json"),
                                               read_merges_file(folder / "merges.txt"), name);
  NamedTokens named;
  const fs::path config_path = folder / "tokenizer_config.json",
                 map_path = folder / "special_tokens_map.json";
  bool has_decoder = false;
  if (path_exists(config_path)) {
    const json config = read_json_file(config_path);
    read_named(config, shown(config_path), named);
    const auto decoder = config.find("added_tokens_decoder");
    has_decoder = decoder != config.end() && decoder->is_object();
    if (has_decoder && !has_json) add_decoder_tokens(*decoder, shown(config_path), parts);
  }
  if (!has_decoder && path_exists(map_path))
    read_named(read_json_file(map_path), shown(map_path), named);
  return assemble(std::move(parts), named, name);
}

ClipTokenizer clip_tokenizer_of_json(const json& tokenizer, const std::string& name) {
  return assemble(parts_of_json(tokenizer, name), {}, name);
}

ClipTokenizer clip_tokenizer_of_vocabulary(const json& vocabulary, std::string_view merges,
                                           const std::string& name) {
  return assemble(parts_of_vocabulary(vocabulary, merges, name), {}, name);
}

}  // namespace ddpm
