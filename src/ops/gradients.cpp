#include "ddpm/ops/gradients.h"

#include <vector>

#include "ddpm/device/side_stream.h"
#include "ddpm/kernels/gradients.h"
#include "kernels.h"

namespace ddpm::ops {
namespace {

// Whether both tensors have the same order in memory. Strides of dimensions of size one do not
// count.
bool lies_like(const torch::Tensor& a, const torch::Tensor& b) {
  for (std::int64_t d = 0; d < a.dim(); ++d)
    if (a.size(d) > 1 && a.stride(d) != b.stride(d)) return false;
  return true;
}

// Copies hundreds of small tensors with one launch.
void gather_by_kernel(std::span<const torch::Tensor> sources,
                      std::span<const torch::Tensor> targets, bool accumulate) {
  join_side_stream(targets.front().device());
  std::vector<torch::Tensor> kept;  // copies of the few whose order differs from their target's
  std::vector<kernels::GradientSource> list;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (!sources[i].defined()) continue;
    // One launch has sources of one type, which may be another than that of the targets.
    torch::Tensor source =
        sources[i].to(kept.empty() ? sources[i].scalar_type() : kept.front().scalar_type());
    if (!lies_like(source, targets[i]))
      source = torch::empty_strided(source.sizes(), targets[i].strides(), source.options())
                   .copy_(source);
    kept.push_back(source);
    list.push_back({.source = source.const_data_ptr(),
                    .offset = targets[i].storage_offset(),
                    .count = source.numel()});
  }
  if (kept.empty()) return;
  const torch::Tensor& any = targets.front();
  kernels::gather_gradients(list.data(), static_cast<std::int64_t>(list.size()),
                            type_of(kept.front()), any.storage().mutable_data(), type_of(any),
                            accumulate, stream_of(any));
}

}  // namespace

void gather(std::span<const torch::Tensor> sources, std::span<const torch::Tensor> targets,
            bool accumulate) {
  torch::NoGradGuard no_grad;
  if (use_kernels(targets.front())) return gather_by_kernel(sources, targets, accumulate);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (!sources[i].defined()) continue;
    const torch::Tensor& target = targets[i];
    if (accumulate)
      target.add_(sources[i]);
    else
      target.copy_(sources[i]);
  }
}

}  // namespace ddpm::ops
