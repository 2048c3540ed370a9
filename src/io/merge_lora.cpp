#include "ddpm/io/merge_lora.h"

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/io/weights.h"

namespace ddpm {
namespace {

void check_shapes(const LoraUpdate& update, const torch::Tensor& weight,
                  const std::filesystem::path& path) {
  const std::vector<std::int64_t>&down = update.down.shape, &up = update.up.shape;
  std::int64_t columns = 1, outer = 1;
  for (std::size_t i = 1; i < down.size(); ++i) columns *= down[i];
  for (std::size_t i = 2; i < up.size(); ++i) outer *= up[i];
  if (up[0] != weight.size(0) || outer != 1 || columns != weight[0].numel())
    throw CheckpointError(format_text(
        "{}: '{}' and '{}' do not have the shape of the weight that they change; the LoRA was made "
        "for another model",
        shown(path), shorten(update.down.name), shorten(update.up.name)));
}

}  // namespace

void merge_lora(std::span<const LoraUpdate> updates, double strength,
                std::span<const torch::Tensor> weights, const std::filesystem::path& path) {
  torch::NoGradGuard no_grad;
  for (const LoraUpdate& update : updates) check_shapes(update, weights[update.module], path);
  for (const LoraUpdate& update : updates) {
    const torch::Tensor& weight = weights[update.module];
    const auto matrix = [&](const TensorView& view) {
      return to_tensor(view).flatten(1).to(weight.device(), torch::kFloat32);
    };
    const torch::Tensor change =
        torch::mm(matrix(update.up), matrix(update.down)).view(weight.sizes());
    weight.copy_(weight.to(torch::kFloat32) + strength * update.factor * change);
  }
}

}  // namespace ddpm
