#include "ddpm/nn/layers.h"

#include "ddpm/ops/layer_norm.h"

namespace ddpm {
namespace {

// A tensor with sizes, but with memory for one element only. A meta tensor would not work: it
// cannot be given data of another device later.
torch::Tensor unbound(const std::vector<std::int64_t>& sizes) {
  return torch::zeros({}).expand(sizes);
}

}  // namespace

LayerImpl::LayerImpl(Role role, const std::vector<std::int64_t>& weight_sizes,
                     const std::vector<std::int64_t>& bias_sizes)
    : role_(role) {
  if (!weight_sizes.empty()) weight = register_parameter("weight", unbound(weight_sizes));
  if (!bias_sizes.empty()) bias = register_parameter("bias", unbound(bias_sizes));
}

void register_at(torch::nn::Module& root, const std::string& path,
                 std::shared_ptr<torch::nn::Module> child) {
  const std::size_t dot = path.find('.');
  if (dot == std::string::npos) {
    root.register_module(path, std::move(child));
    return;
  }
  const std::string head = path.substr(0, dot);
  const auto children = root.named_children();
  const auto* found = children.find(head);
  const auto next =
      found != nullptr ? *found : root.register_module(head, std::make_shared<torch::nn::Module>());
  register_at(*next, path.substr(dot + 1), std::move(child));
}

ops::GroupNormOutput NormImpl::forward(const ops::GroupNormInput& input, bool silu, double dropout,
                                       const std::optional<ops::Draw>& draw) {
  return ops::group_norm(input, weight, bias,
                         {.groups = groups_,
                          .epsilon = epsilon_,
                          .silu = silu,
                          .dropout = dropout,
                          .draw = dropout > 0 ? draw : std::nullopt});
}

torch::Tensor LayerNormImpl::forward(const torch::Tensor& tokens) {
  constexpr double kEpsilon = 1e-5;  // PyTorch's default, which all published transformers use
  return ops::layer_norm(tokens, weight, bias, kEpsilon);
}

}  // namespace ddpm
