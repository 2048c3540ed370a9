// Checks that need more than one key. (Ranges of single values are in the field table.)
#pragma once

#include <cstdint>

#include "ddpm/config/config.h"
#include "ddpm/config/loader.h"

namespace ddpm {

// Throws ConfigError that lists every contradiction: keys, values, where they came from (as far as
// `origins` knows) and the way out. load_config and config_from_json_text have done this already.
//
// A missing data.path is no contradiction here: recipes leave it to the user, and sampling needs
// none.
void validate(const Config& config, const Origins& origins = {});

// Whether the network takes images of that many pixels: each level but the last halves them. Throws
// ConfigError that names the nearest sizes, or fewer levels, as the way out.
void check_image_size(const ModelConfig& model, std::int64_t height, std::int64_t width);

// Throws ConfigError unless the network predicts something about images of data.channels channels,
// which training and sampling need. Nothing is said while data.channels is unknown (0).
void check_predicts_image(const Config& config);

// Whether training can be done: throws ConfigError naming the keys of networks that can only be
// sampled from.
void check_trainable(const Config& config);

// Whether the config says where the images are; every source but "embedded" needs data.path. Throws
// ConfigError. For commands that load data, before they do anything else.
void check_data_path(const DataConfig& data);

}  // namespace ddpm
