// Reads JSON documents of models that other programs wrote: configs and indices. It is stricter
// than the grammar, because the files may be hostile.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace ddpm {

inline constexpr std::size_t kMaxJsonBytes = std::size_t{4} << 20;

// Whether // and /* */ comments may stand between values, as in files that users write.
enum class JsonComments { kRefused, kIgnored };

// Reads the document in `text`, at most kMaxJsonBytes long and 32 levels deep, without repeated
// keys. Throws CheckpointError "<name>: <reason>".
nlohmann::json parse_json(std::string_view text, const std::string& name,
                          JsonComments comments = JsonComments::kRefused);

// The same from a file of another program. NaN, Infinity and -Infinity, which Python writes and
// JSON does not have, are read as texts. Throws CheckpointError also if the file is missing or
// cannot be read.
nlohmann::json read_json_file(const std::filesystem::path& path);

// The document as text: on one line if `indent` is -1, else indented by so many spaces. Bytes of
// texts that are not UTF-8, which file names may have, become \xNN (valid_utf8), so that the result
// is always valid.
std::string dump_json(const nlohmann::ordered_json& value, int indent = -1);

}  // namespace ddpm
