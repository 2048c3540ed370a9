// The layers of a UNet along height or width, for receptive fields.
#pragma once

#include <cstdint>

#include "ddpm/architecture/layer_graph.h"
#include "ddpm/config/config.h"

namespace ddpm {

// The layers in the order of UNet::forward (nn/unet.h), from image to prediction. Height and width
// are alike but for the size of images, pixels; 0: unknown. Group norms and attention are global
// layers.
NetworkGraph unet_graph(const ModelConfig& model, std::int64_t height, std::int64_t width);

}  // namespace ddpm
