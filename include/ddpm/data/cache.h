// The cache of decoded image files. A data set has one safetensors file with `images` U8 [N,H,W,C]
// and `labels` I64 [N]. Its name is a hash of everything on which the content depends; the content
// is verified by its SHA-256 when it is loaded.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "ddpm/config/config.h"
#include "ddpm/data/image_files.h"
#include "ddpm/data/image_store.h"

namespace ddpm {

// Whether images that had to be decoded are stored for the next call.
enum class CacheUse { kReadAndWrite, kReadOnly };

// The folder of the cache for data.cache = `setting`: nothing for "off"; for "auto"
// $XDG_CACHE_HOME/ddpm or ~/.cache/ddpm, or nothing if neither variable is set; else `setting`.
std::optional<std::filesystem::path> cache_folder(const std::string& setting);

// A hash of the files' names, sizes and modification times, and of every setting that changes the
// content. `files` lie in a folder.
std::string cache_key(const ImageFiles& files, const DataConfig& config);

// The same for the archive `config.path`, which need not be listed for it.
std::string archive_cache_key(const DataConfig& config);

// Loads the store in `file`. Returns nothing if there is none; if it is damaged or out of date,
// that is logged. `source` becomes ImageStoreInfo::source, because the folder may have been moved.
std::optional<ImageStore> load_cache(const std::filesystem::path& file, const std::string& key,
                                     const std::string& source);

// Writes the store atomically. If the folder cannot be written, that is a warning, not an error.
void save_cache(const std::filesystem::path& file, const std::string& key, const ImageStore& store);

}  // namespace ddpm
