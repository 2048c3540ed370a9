#include "ddpm/ops/dropout.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "ddpm/kernels/dropout.h"
#include "kernels.h"

namespace ddpm::ops {
namespace {

struct Mask {
  std::int64_t samples, elements;
  std::uint32_t threshold;  // an element whose 16-bit number is below this is dropped
  float scale;              // factor of kept elements
};

// [samples, elements] float32: `scale` for kept elements, else 0.
torch::Tensor mask_on_cpu(const Mask& mask, const RandomKey& key) {
  torch::Tensor out = torch::empty({mask.samples, mask.elements}, torch::kFloat32);
  float* data = out.data_ptr<float>();
  const std::int64_t blocks = (mask.elements + 7) / 8;
  at::parallel_for(0, mask.samples * blocks, 2048, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = i / blocks;
      const std::int64_t first = i % blocks * 8;
      const RandomKey row_key = key.with_sample(key.sample + static_cast<std::uint64_t>(row));
      const PhiloxCounter words = random_block(row_key, static_cast<std::uint32_t>(first / 8));
      const std::int64_t count = std::min<std::int64_t>(8, mask.elements - first);
      for (std::int64_t e = 0; e < count; ++e) {
        const std::uint32_t half = words[static_cast<std::size_t>(e / 2)] >> (e % 2 * 16) & 0xFFFFu;
        data[row * mask.elements + first + e] = half >= mask.threshold ? mask.scale : 0.0f;
      }
    }
  });
  return out;
}

torch::Tensor mask_by_tensor_ops(const Mask& mask, const RandomKey& key, torch::Device device) {
  const std::int64_t word_count = (mask.elements + 1) / 2;
  const torch::Tensor words = random_words(key, mask.samples, word_count, device);
  const torch::Tensor halves =
      torch::stack({words.bitwise_and(0xFFFF), words.bitwise_right_shift(16)}, 2);
  const torch::Tensor kept =
      halves.view({mask.samples, -1}) >= static_cast<std::int64_t>(mask.threshold);
  return kept.narrow(1, 0, mask.elements).to(torch::kFloat32) * static_cast<double>(mask.scale);
}

float scale_of(double p) { return static_cast<float>(1.0 / (1.0 - p)); }

torch::Tensor dropout_by_kernel(const torch::Tensor& x, double p,
                                const kernels::RandomSource& source) {
  torch::Tensor y = torch::empty_like(x);
  kernels::dropout(x.const_data_ptr(), y.data_ptr(), type_of(x), x.size(0), x.numel() / x.size(0),
                   dropout_threshold(p), scale_of(p), source, stream_of(x));
  return y;
}

// The gradient is dropped where the value was, so the same random numbers are drawn again.
class DropoutFunction : public torch::autograd::Function<DropoutFunction> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x,
                               double p, const Draw& draw) {
    context->save_for_backward({draw.position});
    context->saved_data["p"] = p;
    context->saved_data["seed"] = static_cast<std::int64_t>(draw.key.seed);
    context->saved_data["stream"] = static_cast<std::int64_t>(draw.key.stream);
    return dropout_by_kernel(x, p, source_of(draw));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const Draw draw(
        RandomKey{.seed = static_cast<std::uint64_t>(context->saved_data["seed"].toInt()),
                  .stream = static_cast<RandomStream>(context->saved_data["stream"].toInt())},
        context->get_saved_variables()[0]);
    return {dropout_by_kernel(channels_last(gradients[0]), context->saved_data["p"].toDouble(),
                              source_of(draw)),
            torch::Tensor(), torch::Tensor()};
  }
};

}  // namespace

std::uint32_t dropout_threshold(double p) {
  return static_cast<std::uint32_t>(std::llround(p * 0x1p16));
}

torch::Tensor dropout(const torch::Tensor& x, double p, const Draw& draw) {
  if (p <= 0) return x;
  if (use_kernels(x)) return DropoutFunction::apply(channels_last(x), p, draw);
  const std::int64_t height = x.size(2);
  const std::int64_t width = x.size(3);
  const Mask mask{.samples = x.size(0),
                  .elements = x.size(1) * height * width,
                  .threshold = dropout_threshold(p),
                  .scale = scale_of(p)};
  const torch::Tensor values = x.device().is_cpu() ? mask_on_cpu(mask, draw.key)
                                                   : mask_by_tensor_ops(mask, draw.key, x.device());
  // [N,H,W,C] viewed as [N,C,H,W] has the strides of a channels_last tensor.
  return x * values.view({x.size(0), height, width, x.size(1)})
                 .permute({0, 3, 1, 2})
                 .to(x.scalar_type());
}

}  // namespace ddpm::ops
