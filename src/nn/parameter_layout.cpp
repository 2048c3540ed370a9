#include "ddpm/nn/parameter_layout.h"

#include <algorithm>
#include <map>

#include "ddpm/ops/gradients.h"

namespace ddpm {
namespace {

constexpr std::int64_t kAlignment = 64;  // elements: 128 bytes in bf16, enough for any vector load

// Filters lie in channels_last order, whatever the number of their axes.
std::vector<std::int64_t> storage_strides(const torch::Tensor& parameter) {
  // A meta tensor has strides but no memory.
  const auto meta = torch::TensorOptions().device(torch::kMeta);
  if (parameter.dim() < 3) return torch::empty(parameter.sizes(), meta).strides().vec();
  std::vector<std::int64_t> sizes = parameter.sizes().vec();
  std::rotate(sizes.begin() + 1, sizes.begin() + 2, sizes.end());
  return torch::empty(sizes, meta).movedim(-1, 1).strides().vec();
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
