#include "ddpm/nn/parameter_layout.h"

#include <map>

#include "ddpm/ops/gradients.h"

namespace ddpm {
namespace {

constexpr std::int64_t kAlignment = 64;  // elements: 128 bytes in bf16, enough for any vector load

std::vector<std::int64_t> storage_strides(const torch::Tensor& parameter) {
  const bool is_convolution = parameter.dim() == 4;
  // A meta tensor has strides but no memory.
  return torch::empty(
             parameter.sizes(), torch::TensorOptions().device(torch::kMeta),
             is_convolution ? torch::MemoryFormat::ChannelsLast : torch::MemoryFormat::Contiguous)
      .strides()
      .vec();
}

}  // namespace

ParameterLayout::ParameterLayout(const torch::nn::Module& module,
                                 const std::vector<std::vector<torch::Tensor>>& joined) {
  std::map<const void*, std::size_t> index;  // position of each parameter in entries_
  for (const auto& item : module.named_parameters()) {
    index[item.value().unsafeGetTensorImpl()] = entries_.size();
    entries_.push_back(
        {item.key(), item.value().sizes().vec(), storage_strides(item.value()), /*offset=*/-1});
    parameter_count_ += item.value().numel();
  }
  for (const std::vector<torch::Tensor>& list : joined)
    for (const torch::Tensor& parameter : list)
      place(entries_[index.at(parameter.unsafeGetTensorImpl())]);
  for (Entry& entry : entries_)
    if (entry.offset < 0) place(entry);
}

void ParameterLayout::place(Entry& entry) {
  entry.offset = buffer_size_;
  const std::int64_t size = c10::multiply_integers(entry.sizes);
  buffer_size_ += (size + kAlignment - 1) / kAlignment * kAlignment;
}

torch::Tensor ParameterLayout::allocate(torch::Dtype dtype, torch::Device device) const {
  return torch::zeros({buffer_size_}, torch::TensorOptions().dtype(dtype).device(device));
}

torch::Tensor ParameterLayout::view(const torch::Tensor& flat, const Entry& entry) const {
  return flat.as_strided(entry.sizes, entry.strides, entry.offset);
}

void ParameterLayout::bind_parameters(torch::nn::Module& module, const torch::Tensor& flat) const {
  torch::NoGradGuard no_grad;
  std::size_t i = 0;
  for (torch::Tensor& parameter : module.parameters())
    parameter.set_data(view(flat, entries_[i++]));
}

void ParameterLayout::gather(const std::vector<torch::Tensor>& gradients, const torch::Tensor& flat,
                             bool accumulate) const {
  std::vector<torch::Tensor> targets;
  for (const Entry& entry : entries_) targets.push_back(view(flat, entry));
  ops::gather(gradients, targets, accumulate);
}

std::vector<NamedTensor> ParameterLayout::views(const torch::Tensor& flat) const {
  std::vector<NamedTensor> named;
  for (const Entry& entry : entries_) named.push_back({entry.name, view(flat, entry)});
  return named;
}

}  // namespace ddpm
