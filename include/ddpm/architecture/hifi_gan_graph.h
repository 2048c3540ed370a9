// The layers of HiFi-GAN's generator along time, for receptive fields.
#pragma once

#include "ddpm/architecture/hifi_gan.h"
#include "ddpm/architecture/layer_graph.h"

namespace ddpm {

// From mel frames to samples of sound. Layers have the names of published checkpoints (conv_pre,
// ups.0, resblocks.0.convs1.0, conv_post); mrf.0 is the mean of the residual blocks behind ups.0.
// The usual length is that of a training segment, in frames.
NetworkGraph hifi_gan_graph(const HifiGanConfig& config);

}  // namespace ddpm
