// A network with the buffer that holds all its parameters.
#pragma once

#include <utility>
#include <vector>

#include "ddpm/nn/parameter_layout.h"

namespace ddpm {

// `Net` is a module holder (TORCH_MODULE) whose module has joined_parameters().
//
//   BoundNetwork<UNet> network(UNet(config.model, 3), torch::kFloat32, torch::kCPU);
//   load_tensors(file, network.tensors());
//   network->forward(x, t);
template <class Net>
class BoundNetwork {
 public:
  // Binds the parameters to a new buffer of zeros.
  BoundNetwork(Net net, torch::Dtype dtype, torch::Device device)
      : net_(std::move(net)), layout_(*net_, net_->joined_parameters()) {
    bind(layout_.allocate(dtype, device));
  }

  // Makes the parameters views of another buffer of the same layout, which may have another type.
  void bind(torch::Tensor flat) {
    layout_.bind_parameters(*net_, flat);
    flat_ = std::move(flat);
  }

  Net net() const { return net_; }
  typename Net::ContainedType* operator->() const { return net_.ptr().get(); }
  const ParameterLayout& layout() const { return layout_; }
  const torch::Tensor& flat() const { return flat_; }

  // The parameters with their names, as views of the buffer.
  std::vector<NamedTensor> tensors() const { return layout_.views(flat_); }

 private:
  Net net_;
  ParameterLayout layout_;
  torch::Tensor flat_;
};

}  // namespace ddpm
