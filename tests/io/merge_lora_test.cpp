#include "ddpm/io/merge_lora.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"

namespace ddpm {
namespace {

TensorView view_of(const char* name, const std::vector<float>& values,
                   const std::vector<std::int64_t>& shape) {
  return {name, DType::kF32, shape, std::as_bytes(std::span(values))};
}

TEST(MergeLora, AddsTheProduct) {
  const std::vector<float> down = {1, 2, 3}, up = {10, 20};
  const LoraUpdate update = {.module = 1,
                             .down = view_of("d", down, {1, 3}),
                             .up = view_of("u", up, {2, 1}),
                             .factor = 0.5};
  const std::vector<torch::Tensor> weights = {torch::zeros({1}), torch::ones({2, 3})};
  merge_lora(std::span(&update, 1), 0.2, weights, "file");
  EXPECT_TRUE(torch::allclose(weights[1], torch::tensor({{2.0F, 3.0F, 4.0F}, {3.0F, 5.0F, 7.0F}})));
  EXPECT_EQ(weights[0].item<float>(), 0);
}

// Of a convolution, `down` has the window: w[o,i,y,x] += sum over r of up[o,r] down[r,i,y,x].
TEST(MergeLora, ChangesConvolutions) {
  std::vector<float> down(2 * 3 * 3 * 3), up(4 * 2);
  for (std::size_t i = 0; i < down.size(); ++i) down[i] = static_cast<float>(i % 7);
  for (std::size_t i = 0; i < up.size(); ++i) up[i] = static_cast<float>(i) - 3;
  const LoraUpdate update = {.down = view_of("d", down, {2, 3, 3, 3}),
                             .up = view_of("u", up, {4, 2, 1, 1})};
  const std::vector<torch::Tensor> weights = {
      torch::zeros({4, 3, 3, 3}).contiguous(torch::MemoryFormat::ChannelsLast)};
  merge_lora(std::span(&update, 1), 1, weights, "file");
  for (std::size_t o = 0; o < 4; ++o)
    for (std::size_t i = 0; i < 27; ++i)
      EXPECT_EQ(weights[0]
                    .contiguous()
                    .view({4, 27})[static_cast<std::int64_t>(o)][static_cast<std::int64_t>(i)]
                    .item<float>(),
                up[2 * o] * down[i] + up[2 * o + 1] * down[27 + i]);
}

TEST(MergeLora, ChangesNothingIfAShapeIsWrong) {
  const std::vector<float> down = {1, 2, 3}, up = {10, 20};
  const LoraUpdate good = {.down = view_of("d", down, {1, 3}), .up = view_of("u", up, {2, 1})};
  LoraUpdate bad = good;
  bad.module = 1;
  bad.down.name = "lora_unet_x.lora_down.weight";
  const std::vector<torch::Tensor> weights = {torch::zeros({2, 3}), torch::zeros({2, 4})};
  try {
    merge_lora(std::vector{good, bad}, 1, weights, "file");
    FAIL();
  } catch (const CheckpointError& error) {
    EXPECT_NE(std::string(error.what()).find("lora_unet_x"), std::string::npos) << error.what();
  }
  EXPECT_TRUE(torch::equal(weights[0], torch::zeros({2, 3})));
}

}  // namespace
}  // namespace ddpm
