// The cache of decoded image folders: one safetensors file with `images` U8 [N,H,W,C] and `labels`
// I64 [N], named by a key over everything the content depends on, verified by its SHA-256 when it
// is loaded.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "ddpm/config/config.h"
#include "ddpm/data/folder.h"
#include "ddpm/data/image_store.h"

namespace ddpm {

// Where the cache of these settings lives: nothing for "off"; for "auto" $XDG_CACHE_HOME/ddpm or
// ~/.cache/ddpm, nothing if neither variable is set; else the folder itself.
std::optional<std::filesystem::path> cache_folder(const std::string& setting);

// Key over names, sizes and modification times of the files and every setting that changes the
// content.
std::string cache_key(const ImageFolder& folder, const DataConfig& config);

// The store in `file`, or nothing if there is none or it is damaged or stale, which is logged.
// `source` becomes ImageStoreInfo::source, because equal files may have moved since.
std::optional<ImageStore> load_cache(const std::filesystem::path& file, const std::string& key,
                                     const std::string& source);

// Writes the store atomically. A folder that cannot be written is a warning, not an error.
void save_cache(const std::filesystem::path& file, const std::string& key, const ImageStore& store);

}  // namespace ddpm
