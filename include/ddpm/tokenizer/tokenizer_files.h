// Reads the tokenizers of published models.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "ddpm/tokenizer/clip_tokenizer.h"

namespace ddpm {

// Whether there are files of a tokenizer in the folder.
bool has_tokenizer_files(const std::filesystem::path& folder);

// The tokenizer in a folder, as transformers 5 reads it: tokenizer.json, or vocab.json with
// merges.txt. special_tokens_map.json and tokenizer_config.json say which tokens start, end and
// fill up a prompt, and which are found before lower-casing. If the folder has none of these files,
// but a folder `tokenizer`, that one is read, so that a whole model can be named. Throws
// CheckpointError "<path>: ...", also for tokenizers of other kinds.
ClipTokenizer read_clip_tokenizer(const std::filesystem::path& folder);

// The same for documents in memory, without the two that name tokens. `name` begins messages.
ClipTokenizer clip_tokenizer_of_json(const nlohmann::json& tokenizer, const std::string& name);
ClipTokenizer clip_tokenizer_of_vocabulary(const nlohmann::json& vocabulary,
                                           std::string_view merges, const std::string& name);

}  // namespace ddpm
