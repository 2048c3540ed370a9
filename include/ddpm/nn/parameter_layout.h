// Parameters in flat buffers. All weights of a network lie in one tensor, and its modules have
// views of it; gradients, optimiser moments and the moving average have buffers of the same layout.
// So an optimiser step, an average, a norm or a checkpoint is one operation on one buffer for any
// network.
#pragma once

#include <torch/nn/module.h>

#include <string>
#include <vector>

#include "ddpm/device/named_tensor.h"

namespace ddpm {

class ParameterLayout {
 public:
  // Records names and shapes in registration order. Convolution weights lie in channels_last order,
  // and each parameter starts at a multiple of 64 elements. The parameters in each list of `joined`
  // are placed one after the other; if their sizes are multiples of 64 there is no gap, and
  // ops::join() does not have to copy them.
  explicit ParameterLayout(const torch::nn::Module& module,
                           const std::vector<std::vector<torch::Tensor>>& joined = {});

  std::int64_t parameter_count() const { return parameter_count_; }

  // A buffer of zeros. The padding stays zero through any elementwise update.
  torch::Tensor allocate(torch::Dtype dtype, torch::Device device) const;

  // Makes the module's parameters views of `flat`, with the values in it. The module must have this
  // layout.
  void bind_parameters(torch::nn::Module& module, const torch::Tensor& flat) const;

  // Copies gradients, one for each parameter in order, to their places in `flat`, or adds them
  // there. An undefined gradient counts as zero, and its place is not changed.
  void gather(const std::vector<torch::Tensor>& gradients, const torch::Tensor& flat,
              bool accumulate) const;

  // Views of `flat` with the parameters' names and shapes.
  std::vector<NamedTensor> views(const torch::Tensor& flat) const;

 private:
  struct Entry {
    std::string name;
    std::vector<std::int64_t> sizes, strides;
    std::int64_t offset;  // -1 while it has no place yet
  };
  void place(Entry& entry);
  torch::Tensor view(const torch::Tensor& flat, const Entry& entry) const;

  std::vector<Entry> entries_;
  std::int64_t buffer_size_ = 0;
  std::int64_t parameter_count_ = 0;
};

}  // namespace ddpm
