// The bodies of Communicator. Private to this folder.
#pragma once

#include <memory>

#include "ddpm/distributed/communicator.h"
#include "store.h"

namespace ddpm {

// For tensors on the CPU; always sums in the order of ranks.
std::unique_ptr<Communicator> make_gloo(const World& world, const Store& store,
                                        torch::Device device);

// For tensors on this GPU.
std::unique_ptr<Communicator> make_nccl(const World& world, const Store& store,
                                        torch::Device device, bool in_order);

}  // namespace ddpm
