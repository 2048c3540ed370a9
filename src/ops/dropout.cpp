#include "ddpm/ops/dropout.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "ddpm/ops/random.h"

namespace ddpm::ops {
namespace {

struct Mask {
  std::int64_t samples, elements;
  std::uint32_t threshold;  // of a 16-bit number; below it an element is dropped
  float scale;              // of what is kept
};

// [samples, elements] float32: `scale` where kept, else 0.
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

}  // namespace

std::uint32_t dropout_threshold(double p) {
  return static_cast<std::uint32_t>(std::llround(p * 0x1p16));
}

torch::Tensor dropout(const torch::Tensor& x, double p, const RandomKey& key) {
  if (p <= 0) return x;
  const std::int64_t height = x.size(2);
  const std::int64_t width = x.size(3);
  const Mask mask{.samples = x.size(0),
                  .elements = x.size(1) * height * width,
                  .threshold = dropout_threshold(p),
                  .scale = static_cast<float>(1.0 / (1.0 - p))};
  const torch::Tensor values =
      x.device().is_cpu() ? mask_on_cpu(mask, key) : mask_by_tensor_ops(mask, key, x.device());
  // [N,H,W,C] seen as [N,C,H,W]: the strides of a channels_last tensor.
  return x * values.view({x.size(0), height, width, x.size(1)})
                 .permute({0, 3, 1, 2})
                 .to(x.scalar_type());
}

}  // namespace ddpm::ops
