// Checks which networks the code base behind a layout can run.
#pragma once

#include "ddpm/config/config.h"
#include "ddpm/interop/translate.h"

namespace ddpm {

// Throws ConfigError if the layout's code base cannot run the network or hold its tensors. The
// message lists the keys of model.* that it cannot represent, with their values.
void check_layout(const ModelConfig& model, const Layout& layout);

}  // namespace ddpm
