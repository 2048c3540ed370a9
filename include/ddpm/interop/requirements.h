// What the code base behind a layout can run.
#pragma once

#include "ddpm/config/config.h"
#include "ddpm/interop/translate.h"

namespace ddpm {

// Whether a code base can run the network and hold its tensors: throws ConfigError naming the keys
// of model.* that it cannot represent, with their values.
void check_layout(const ModelConfig& model, const Layout& layout);

}  // namespace ddpm
