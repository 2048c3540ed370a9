// Networks with memory and values, for tests.
#pragma once

#include "ddpm/nn/bound_network.h"
#include "ddpm/nn/initialize.h"
#include "ddpm/nn/unet.h"

namespace ddpm::testing {

// A fresh network in float32 on the CPU, with PyTorch's initialisation.
inline UNet initialized_unet(const ModelConfig& model, std::int64_t channels) {
  UNet net = BoundNetwork<UNet>(UNet(model, channels), torch::kFloat32, torch::kCPU).net();
  initialize_weights(*net, Initialization::kPytorch, 0);
  return net;
}

}  // namespace ddpm::testing
