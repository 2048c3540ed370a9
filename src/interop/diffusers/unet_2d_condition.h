// UNet2DConditionModel's config: a network with transformers. Private to this folder.
#pragma once

#include <nlohmann/json.hpp>

#include "ddpm/config/config.h"
#include "ddpm/formats/json_keys.h"

namespace ddpm {

void apply_unet_2d_condition(JsonKeys& keys, Config& config);
nlohmann::ordered_json unet_2d_condition_config(const Config& config);

}  // namespace ddpm
