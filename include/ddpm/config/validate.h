// Checks that need more than one key. (The field table has the ranges of single values.)
#pragma once

#include <cstdint>

#include "ddpm/config/config.h"
#include "ddpm/config/loader.h"

namespace ddpm {

// Throws ConfigError that lists every contradiction: keys, values, where they came from (as far as
// `origins` knows) and how to mend it. load_config and config_from_json_text call this.
//
// A missing data.path is accepted here: recipes leave it to the user, and sampling needs none.
void validate(const Config& config, const Origins& origins = {});

// Throws ConfigError if the network cannot take images of that size, because each level but the
// last halves them. The message suggests the nearest sizes, or fewer levels.
void check_image_size(const ModelConfig& model, std::int64_t height, std::int64_t width);

// Throws ConfigError unless the network takes an image and `beside` further channels and its prediction
// has data.channels channels, which training and sampling need. Does nothing while data.channels is
// unknown (0).
void check_predicts_image(const Config& config, std::int64_t beside = 0);

// Throws ConfigError if the network cannot be trained here; it names the keys that are the reason.
void check_trainable(const Config& config);

// Throws ConfigError if data.path is not given, which every source but "embedded" needs, or is given
// with "embedded", which would ignore it; DataError if there is no such file or folder. Commands
// that load data call this before they do anything else.
void check_data_path(const DataConfig& data);

}  // namespace ddpm
