// Parameters in flat buffers. All weights of a network live in one tensor and its modules view it;
// gradients, optimiser moments and the moving average use buffers of the same layout. So an
// optimiser step, an average, a norm or a checkpoint is one operation over one buffer, whatever the
// network looks like.
#pragma once

#include <torch/nn/module.h>

#include <string>
#include <vector>

#include "ddpm/device/named_tensor.h"

namespace ddpm {

class ParameterLayout {
 public:
  // Records names and shapes in registration order. Convolution weights lie in channels_last order;
  // each parameter starts at a multiple of 64 elements. Each list in `joined` names parameters of
  // the module that shall follow each other in memory, so that ops::join() need not copy them; they
  // do if their sizes are multiples of 64.
  explicit ParameterLayout(const torch::nn::Module& module,
                           const std::vector<std::vector<torch::Tensor>>& joined = {});

  std::int64_t parameter_count() const { return parameter_count_; }

  // A zeroed buffer, the padding included (which stays zero through any elementwise update).
  torch::Tensor allocate(torch::Dtype dtype, torch::Device device) const;

  // Makes the module's parameters views of `flat`; the values are those of the buffer. The module
  // must have the layout.
  void bind_parameters(torch::nn::Module& module, const torch::Tensor& flat) const;

  // Copies gradients, one a parameter in order, to their places in `flat`, or adds them there.
  // Undefined ones count as zero and leave their places as they are.
  void gather(const std::vector<torch::Tensor>& gradients, const torch::Tensor& flat,
              bool accumulate) const;

  // Views of `flat` under the parameters' names and shapes.
  std::vector<NamedTensor> views(const torch::Tensor& flat) const;

 private:
  struct Entry {
    std::string name;
    std::vector<std::int64_t> sizes, strides;
    std::int64_t offset;  // -1 until it has a place
  };
  void place(Entry& entry);
  torch::Tensor view(const torch::Tensor& flat, const Entry& entry) const;

  std::vector<Entry> entries_;
  std::int64_t buffer_size_ = 0;
  std::int64_t parameter_count_ = 0;
};

}  // namespace ddpm
