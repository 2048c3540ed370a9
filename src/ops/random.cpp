#include "ddpm/ops/random.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <numbers>

#include "ddpm/kernels/random.h"
#include "kernels.h"

namespace ddpm::ops {
namespace {

// Calls fill(words of the block, row, first element) for each block of four elements of each row.
template <class Fill>
void for_each_block(const RandomKey& key, std::int64_t samples, std::int64_t elements,
                    const Fill& fill) {
  const std::int64_t blocks = (elements + 3) / 4;
  at::parallel_for(0, samples * blocks, 2048, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = i / blocks;
      const std::int64_t block = i % blocks;
      const RandomKey row_key = key.with_sample(key.sample + static_cast<std::uint64_t>(row));
      fill(random_block(row_key, static_cast<std::uint32_t>(block)), row, block * 4);
    }
  });
}

std::int64_t element_count(torch::IntArrayRef shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

std::vector<std::int64_t> with_samples(std::int64_t samples, torch::IntArrayRef shape) {
  std::vector<std::int64_t> full = {samples};
  full.insert(full.end(), shape.begin(), shape.end());
  return full;
}

// Makes two independent standard normal numbers from u1, u2 in (0, 1).
std::array<float, 2> box_muller(std::uint32_t word1, std::uint32_t word2) {
  const float radius = std::sqrt(-2.0f * std::log(unit_float(word1)));
  const float angle = 2.0f * std::numbers::pi_v<float> * unit_float(word2);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

torch::Tensor normal_on_cpu(const RandomKey& key, std::int64_t samples, std::int64_t elements) {
  torch::Tensor out = torch::empty({samples, elements}, torch::kFloat32);
  float* data = out.data_ptr<float>();
  for_each_block(key, samples, elements,
                 [&](const PhiloxCounter& words, std::int64_t row, std::int64_t first) {
                   const auto a = box_muller(words[0], words[1]);
                   const auto b = box_muller(words[2], words[3]);
                   const std::array<float, 4> z = {a[0], a[1], b[0], b[1]};
                   const auto count =
                       static_cast<std::size_t>(std::min<std::int64_t>(4, elements - first));
                   std::copy_n(z.data(), count, data + row * elements + first);
                 });
  return out;
}

torch::Tensor unit_floats(const torch::Tensor& words) {
  return (words.bitwise_right_shift(9).to(torch::kFloat32) + 0.5) * 0x1p-23;
}

torch::Tensor normal_by_tensor_ops(const RandomKey& key, std::int64_t samples,
                                   std::int64_t elements, torch::Device device) {
  const torch::Tensor pairs =
      unit_floats(random_words(key, samples, elements + elements % 2, device))
          .view({samples, -1, 2});
  const torch::Tensor radius = (-2.0 * pairs.select(2, 0).log()).sqrt();
  const torch::Tensor angle = 2.0 * std::numbers::pi * pairs.select(2, 1);
  return torch::stack({radius * angle.cos(), radius * angle.sin()}, 2)
      .view({samples, -1})
      .narrow(1, 0, elements)
      .contiguous();
}

}  // namespace

torch::Tensor random_words(const RandomKey& key, std::int64_t samples, std::int64_t elements,
                           torch::Device device) {
  if (!device.is_cpu()) return reference::random_words(key, samples, elements, device);
  torch::Tensor out = torch::empty({samples, elements}, torch::kInt64);
  std::int64_t* data = out.data_ptr<std::int64_t>();
  for_each_block(key, samples, elements,
                 [&](const PhiloxCounter& words, std::int64_t row, std::int64_t first) {
                   const auto count =
                       static_cast<std::size_t>(std::min<std::int64_t>(4, elements - first));
                   std::copy_n(words.data(), count, data + row * elements + first);
                 });
  return out;
}

torch::Tensor random_integers(const Draw& draw, std::int64_t samples, std::int64_t bound,
                              torch::Device device) {
  if (draw.position.defined() && use_kernels(device)) {
    torch::Tensor out = torch::empty({samples}, draw.position.options());
    kernels::random_integers(out.data_ptr<std::int64_t>(), samples,
                             static_cast<std::uint64_t>(bound), source_of(draw), stream_of(out));
    return out;
  }
  // word * bound < 2^64 may overflow into the sign of int64; the mask after the shift removes that.
  const torch::Tensor words = random_words(draw.key, samples, 1, device).view({samples});
  return (words * bound).bitwise_right_shift(32).bitwise_and(0xFFFFFFFFLL);
}

torch::Tensor random_normal(const Draw& draw, std::int64_t samples, torch::IntArrayRef shape,
                            torch::Device device) {
  const std::int64_t elements = element_count(shape);
  if (draw.position.defined() && use_kernels(device)) {
    torch::Tensor out = torch::empty(with_samples(samples, shape),
                                     torch::TensorOptions().dtype(torch::kFloat32).device(device));
    kernels::random_normal(out.data_ptr<float>(), samples, elements, source_of(draw),
                           stream_of(out));
    return out;
  }
  const torch::Tensor flat = device.is_cpu()
                                 ? normal_on_cpu(draw.key, samples, elements)
                                 : normal_by_tensor_ops(draw.key, samples, elements, device);
  return flat.view(with_samples(samples, shape));
}

torch::Tensor random_uniform(const RandomKey& key, std::int64_t samples, std::int64_t elements,
                             torch::Device device) {
  return unit_floats(random_words(key, samples, elements, device));
}

namespace reference {

torch::Tensor random_words(const RandomKey& key, std::int64_t samples, std::int64_t elements,
                           torch::Device device) {
  constexpr std::int64_t kMask = 0xFFFFFFFFLL;
  const auto options = torch::TensorOptions().dtype(torch::kInt64).device(device);
  const std::int64_t blocks = (elements + 3) / 4;
  const auto word = [](std::uint64_t value) {
    return static_cast<std::int64_t>(value & 0xFFFFFFFFu);
  };
  const torch::Tensor sample =
      torch::arange(samples, options).unsqueeze(1) + static_cast<std::int64_t>(key.sample);
  const std::int64_t stream_and_step =
      static_cast<std::int64_t>(key.stream) | word(key.step >> 32 & 0xFF) << 16;

  std::array<torch::Tensor, 4> c = {
      torch::arange(blocks, options).unsqueeze(0).expand({samples, blocks}),
      sample.bitwise_and(kMask).expand({samples, blocks}),
      torch::full({samples, blocks}, word(key.step), options),
      (sample.bitwise_right_shift(32).bitwise_and(0xFF) * (1 << 24) + stream_and_step)
          .expand({samples, blocks})};
  std::int64_t k0 = word(key.seed);
  std::int64_t k1 = word(key.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const torch::Tensor product0 = c[0] * 0xD2511F53LL;
    const torch::Tensor product1 = c[2] * 0xCD9E8D57LL;
    const auto high = [](const torch::Tensor& p) {
      return p.bitwise_right_shift(32).bitwise_and(kMask);
    };
    c = {high(product1).bitwise_xor(c[1]).bitwise_xor(k0), product1.bitwise_and(kMask),
         high(product0).bitwise_xor(c[3]).bitwise_xor(k1), product0.bitwise_and(kMask)};
    k0 = (k0 + 0x9E3779B9LL) & kMask;
    k1 = (k1 + 0xBB67AE85LL) & kMask;
  }
  return torch::stack({c[0], c[1], c[2], c[3]}, 2)
      .view({samples, -1})
      .narrow(1, 0, elements)
      .contiguous();
}

}  // namespace reference

}  // namespace ddpm::ops
