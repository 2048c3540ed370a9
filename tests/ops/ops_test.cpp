#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include "ddpm/ops/adam.h"
#include "ddpm/ops/attention.h"
#include "ddpm/ops/convolution.h"
#include "ddpm/ops/dropout.h"
#include "ddpm/ops/gradients.h"
#include "ddpm/ops/group_norm.h"
#include "ddpm/ops/linear.h"
#include "ddpm/ops/random.h"
#include "ddpm/ops/resample.h"
#include "ddpm/ops/timestep_embedding.h"
#include "support/fill.h"

namespace ddpm {
namespace {

using testing::hash_tensor;

void expect_values(const torch::Tensor& actual, const std::vector<double>& expected,
                   double tolerance) {
  ASSERT_EQ(actual.numel(), static_cast<std::int64_t>(expected.size()));
  const torch::Tensor flat = actual.flatten();
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(flat[static_cast<std::int64_t>(i)].item<double>(), expected[i], tolerance)
        << "element " << i;
}

// The values are from functions of openai/guided-diffusion and hojonathanho/diffusion, width 8.
TEST(TimestepEmbedding, AgreesWithOpenAi) {
  const torch::Tensor y = ops::timestep_embedding(
      torch::tensor({1, 999}), {.width = 8, .cosine_first = true, .half_minus_one = false});
  expect_values(y[0], {.540302, .995004, .999950, 1.0, .841471, .099833, .010000, .001000}, 1e-6);
  expect_values(y[1], {.999650, .807455, -.844470, .541144, -.026461, -.589929, -.535603, .840930},
                1e-4);
}

TEST(TimestepEmbedding, AgreesWithHo) {
  const torch::Tensor y = ops::timestep_embedding(torch::tensor({1, 999}), {.width = 8});
  expect_values(y[0], {.841471, .046399, .002154, .000100, .540302, .998923, .999998, 1.0}, 1e-6);
  expect_values(y[1], {-.026461, .684861, .835648, .099734, .999650, -.728673, -.549265, .995014},
                1e-4);
}

TEST(TimestepEmbedding, PadsOddWidthsAndTakesFractions) {
  const torch::Tensor y = ops::timestep_embedding(torch::tensor({0.5}), {.width = 5});
  EXPECT_EQ(y.size(1), 5);
  EXPECT_EQ(y[0][4].item<double>(), 0);
  EXPECT_NEAR(y[0][0].item<double>(), std::sin(0.5), 1e-6);
}

TEST(TimestepEmbedding, TellsNeighbouringTimesApartWhateverTheNetworksPrecision) {
  const torch::Tensor y = ops::timestep_embedding(torch::tensor({998, 999}), {.width = 128});
  EXPECT_EQ(y.scalar_type(), torch::kFloat32);
  EXPECT_GT((y[0] - y[1]).abs().max().item<double>(), 0.1);
}

// Compares with the definition in float64, group by group.
TEST(GroupNorm, NormalisesEachGroupOfEachImage) {
  const torch::Tensor x = hash_tensor(1, {2, 6, 3, 5}, 4.0, 1.0)
                              .to(torch::kFloat32)
                              .contiguous(torch::MemoryFormat::ChannelsLast);
  const torch::Tensor weight = hash_tensor(2, {6}, 1.0, 1.0), bias = hash_tensor(3, {6}, 1.0);
  const torch::Tensor y =
      ops::group_norm({.x = x}, weight.to(torch::kFloat32), bias.to(torch::kFloat32),
                      {.groups = 3, .epsilon = 1e-3, .silu = true})
          .y;
  const torch::Tensor wide = x.to(torch::kFloat64).contiguous();
  for (int n = 0; n < 2; ++n)
    for (int c = 0; c < 6; ++c) {
      const torch::Tensor group = wide[n].slice(0, c / 2 * 2, c / 2 * 2 + 2);
      const double mean = group.mean().item<double>();
      const double variance = (group - mean).pow(2).mean().item<double>();
      const torch::Tensor z =
          (wide[n][c] - mean) / std::sqrt(variance + 1e-3) * weight[c] + bias[c];
      EXPECT_TRUE(torch::allclose(y[n][c].to(torch::kFloat64), z / (1 + (-z).exp()), 1e-5, 1e-5));
    }
  EXPECT_TRUE(y.is_contiguous(torch::MemoryFormat::ChannelsLast));
}

TEST(GroupNorm, TakesSkipShiftAndDropout) {
  const torch::Tensor x = hash_tensor(1, {2, 4, 3, 3}, 4.0),
                      skip = hash_tensor(2, {2, 2, 3, 3}, 4.0);
  const torch::Tensor shift = hash_tensor(3, {2, 6}, 1.0);
  const torch::Tensor weight = hash_tensor(4, {6}, 1.0, 1.0), bias = hash_tensor(5, {6}, 1.0);
  const ops::Draw draw(RandomKey{.seed = 9, .stream = RandomStream::kDropout});
  const ops::GroupNormOutput out =
      ops::group_norm({.x = x, .skip = skip, .shift = shift}, weight, bias,
                      {.groups = 3, .dropout = 0.5, .draw = draw});
  const torch::Tensor joined = torch::cat({x, skip}, 1);
  const torch::Tensor plain =
      ops::group_norm({.x = joined + shift.view({2, 6, 1, 1})}, weight, bias, {.groups = 3}).y;
  EXPECT_TRUE(torch::allclose(out.y, ops::dropout(plain, 0.5, draw)));
  const torch::Tensor passed = out.skip.defined() ? torch::cat({out.x, out.skip}, 1) : out.x;
  EXPECT_TRUE(torch::equal(passed, joined));
}

TEST(Attention, IsSoftmaxOfScaledProductsInEachHead) {
  const std::int64_t heads = 2, tokens = 5, width = 3;
  const torch::Tensor qkv = hash_tensor(1, {1, tokens, 3 * heads * width}, 3);
  for (const ops::HeadOrder order : {ops::HeadOrder::kBlocks, ops::HeadOrder::kInterleaved}) {
    const torch::Tensor y = ops::attention(qkv, heads, order);
    // The channels of q (0), k (1) or v (2) of one head.
    const auto part = [&](std::int64_t which, std::int64_t head) {
      const std::int64_t group =
          order == ops::HeadOrder::kBlocks ? which * heads + head : head * 3 + which;
      return qkv[0].slice(1, group * width, (group + 1) * width);
    };
    for (std::int64_t h = 0; h < heads; ++h)
      for (std::int64_t i = 0; i < tokens; ++i) {
        torch::Tensor weights = (part(1, h).matmul(part(0, h)[i]) / std::sqrt(3.0)).exp();
        weights = weights / weights.sum();
        EXPECT_TRUE(torch::allclose(y[0][i].slice(0, h * width, (h + 1) * width),
                                    weights.matmul(part(2, h)), 1e-10, 1e-12));
      }
  }
}

TEST(Dropout, KeepsTheShareAndTheMean) {
  const torch::Tensor x =
      torch::ones({16, 8, 32, 32}).contiguous(torch::MemoryFormat::ChannelsLast);
  const torch::Tensor y =
      ops::dropout(x, 0.3, RandomKey{.seed = 5, .stream = RandomStream::kDropout});
  const double kept = y.gt(0).to(torch::kFloat64).mean().item<double>();
  EXPECT_NEAR(kept, 0.7, 5 * std::sqrt(0.21 / static_cast<double>(x.numel())));
  EXPECT_NEAR(y.max().item<double>(), 1 / 0.7, 1e-6);
}

TEST(Dropout, NumbersElementsInChannelsLastOrder) {
  const RandomKey key{.seed = 6, .stream = RandomStream::kDropout, .step = 9, .sample = 2};
  const torch::Tensor y = ops::dropout(torch::ones({2, 3, 3, 5}), 0.25, key);
  for (std::int64_t n = 0; n < 2; ++n)
    for (std::int64_t c = 0; c < 3; ++c)
      for (std::int64_t h = 0; h < 3; ++h)
        for (std::int64_t w = 0; w < 5; ++w) {
          const auto e = static_cast<std::uint64_t>((h * 5 + w) * 3 + c);
          const std::uint32_t word =
              random_word(key.with_sample(2 + static_cast<std::uint64_t>(n)), e / 2);
          const std::uint32_t half = e % 2 == 0 ? word & 0xFFFF : word >> 16;
          EXPECT_NEAR(y[n][c][h][w].item<double>(), half >= 0x4000u ? 4.0 / 3 : 0.0, 1e-6);
        }
}

// Compares with Kingma and Ba's algorithm 1 in float64 over three steps; the gradient is clipped to
// half its length.
TEST(Adam, FollowsThePaper) {
  for (const bool decoupled : {false, true}) {
    const ops::AdamState state{.weights = torch::tensor({1.0f, -2.0f, 0.5f}),
                               .exp_avg = torch::zeros(3),
                               .exp_avg_sq = torch::zeros(3),
                               .average = torch::tensor({1.0f, -2.0f, 0.5f}),
                               .copy = torch::zeros(3, torch::kBFloat16)};
    std::vector<double> ew = {1, -2, 0.5}, em(3), ev(3), ea = ew;
    const double rate = 0.1, b1 = 0.9, b2 = 0.99, eps = 1e-8, decay = 0.05, share = 0.25;
    for (int step = 1; step <= 3; ++step) {
      const torch::Tensor g = torch::tensor({0.3f, -0.1f, 0.7f}) * step;
      const double length = std::sqrt(0.59) * step;
      const ops::AdamOptions options{.beta1 = b1,
                                     .beta2 = b2,
                                     .epsilon = eps,
                                     .weight_decay = decay,
                                     .clip_norm = length / 2,
                                     .decoupled = decoupled};
      ops::adam_step(state, g.clone(), ops::gradient_norm(g),
                     {.step = step, .learning_rate = rate, .average_share = share}, options);
      for (std::size_t i = 0; i < 3; ++i) {
        const auto at = static_cast<std::int64_t>(i);
        double gradient = g[at].item<double>() / 2;
        if (decoupled)
          ew[i] -= rate * decay * ew[i];
        else
          gradient += decay * ew[i];
        em[i] = b1 * em[i] + (1 - b1) * gradient;
        ev[i] = b2 * ev[i] + (1 - b2) * gradient * gradient;
        ew[i] -= rate * (em[i] / (1 - std::pow(b1, step))) /
                 (std::sqrt(ev[i] / (1 - std::pow(b2, step))) + eps);
        ea[i] += share * (ew[i] - ea[i]);
        EXPECT_NEAR(state.weights[at].item<double>(), ew[i], 1e-5) << "step " << step;
        EXPECT_NEAR(state.average[at].item<double>(), ea[i], 1e-5) << "step " << step;
        EXPECT_NEAR(state.copy[at].item<double>(), ew[i], 0.005 * std::abs(ew[i]));
      }
    }
  }
}

TEST(Adam, ChangesNothingForAnInfiniteGradient) {
  const ops::AdamState state{.weights = torch::ones(2),
                             .exp_avg = torch::ones(2),
                             .exp_avg_sq = torch::ones(2),
                             .average = torch::ones(2)};
  const torch::Tensor g = torch::tensor({1.0f, std::numeric_limits<float>::infinity()});
  ops::adam_step(state, g, ops::gradient_norm(g), {.learning_rate = 1, .average_share = 1}, {});
  for (const torch::Tensor& x : {state.weights, state.exp_avg, state.exp_avg_sq, state.average})
    EXPECT_TRUE(torch::equal(x, torch::ones(2)));
}

// A network for CIFAR-10 has this many: a plain float32 sum would be 0.2 % too small.
TEST(GradientNorm, IsExactForManyGradients) {
  const torch::Tensor g = torch::full({35'746'307}, 0.01F);
  EXPECT_NEAR(ops::gradient_norm(g).item<double>() / g.to(torch::kFloat64).norm().item<double>(), 1,
              1e-6);
  EXPECT_NEAR(ops::gradient_norm(torch::tensor({3.0F, 4.0F})).item<double>(), 5, 1e-6);
  EXPECT_EQ(ops::gradient_norm(torch::tensor({3.0F, 4.0F}).to(torch::kBFloat16)).scalar_type(),
            torch::kFloat32);
}

// Compares with LibTorch's own operators, which compute the same in another way.
TEST(Convolution, AddsBiasAndResidual) {
  const torch::Tensor x = hash_tensor(1, {2, 3, 5, 6}, 1), weight = hash_tensor(2, {4, 3, 3, 3}, 1);
  const torch::Tensor bias = hash_tensor(3, {4}, 1), residual = hash_tensor(4, {2, 4, 5, 6}, 1);
  const torch::Tensor expected =
      torch::conv2d(x, weight, {}, 1, 1) + bias.view({1, 4, 1, 1}) + residual;
  EXPECT_TRUE(torch::allclose(ops::convolution(x, weight, bias, {}, residual), expected));
  EXPECT_EQ(ops::convolution(x, weight, {}, {.stride = 2, .padding = 0}).sizes(),
            torch::IntArrayRef({2, 4, 2, 2}));
}

// Wide float32 convolutions on the CPU use Winograd's method. Compares with LibTorch's in float64,
// with odd sides, numbers of channels that do not fill a vector, and more and fewer tiles than a
// panel.
TEST(Convolution, IsTheSameWithFewerProducts) {
  struct Case {
    std::int64_t n, in, out, height, width;
  };
  for (const auto& [n, in, out, height, width] :
       {Case{1, 32, 40, 1, 1}, Case{2, 45, 32, 7, 10}, Case{3, 160, 33, 4, 4},
        Case{2, 40, 300, 5, 3}, Case{5, 33, 48, 31, 32}}) {
    const auto k = static_cast<std::uint64_t>(in);
    std::vector<torch::Tensor> inputs = {
        hash_tensor(k, {n, in, height, width}, 1), hash_tensor(k + 1, {out, in, 3, 3}, 1),
        hash_tensor(k + 2, {out}, 1), hash_tensor(k + 3, {n, out, height, width}, 1)};
    const torch::Tensor dy = hash_tensor(k + 4, {n, out, height, width}, 1);
    std::vector<torch::Tensor> plain, fewer;
    for (const torch::Tensor& x : inputs) {
      plain.push_back(x.to(torch::kFloat64).requires_grad_());
      fewer.push_back(x.to(torch::kFloat32).requires_grad_());
    }
    const torch::Tensor y =
        ops::convolution(fewer[0], fewer[1], fewer[2], {.padding = 1}, fewer[3]);
    const torch::Tensor expected = torch::conv2d(plain[0], plain[1], plain[2], 1, 1) + plain[3];
    const auto gradients = torch::autograd::grad({y}, fewer, {dy.to(torch::kFloat32)});
    const auto wanted = torch::autograd::grad({expected}, plain, {dy.to(torch::kFloat64)});
    const auto error = [](const torch::Tensor& a, const torch::Tensor& b) {
      return ((a.detach().to(torch::kFloat64) - b).norm() / b.norm()).item<double>();
    };
    EXPECT_LE(error(y, expected.detach()), 2e-6) << in << " to " << out;
    for (std::size_t i = 0; i < wanted.size(); ++i)
      EXPECT_LE(error(gradients[i], wanted[i]), 2e-6) << in << " to " << out << ", input " << i;
    torch::NoGradGuard no_grad;
    EXPECT_TRUE(
        torch::equal(ops::convolution(fewer[0], fewer[1], fewer[2], {.padding = 1}, fewer[3]), y));
  }
}

TEST(PointwiseConvolution, IsAMatrixProductForEachPixel) {
  const torch::Tensor x = hash_tensor(1, {2, 3, 4, 5}, 1), skip = hash_tensor(2, {2, 2, 4, 5}, 1);
  const torch::Tensor weight = hash_tensor(3, {4, 5, 1, 1}, 1), bias = hash_tensor(4, {4}, 1);
  const torch::Tensor y = ops::pointwise_convolution(x, skip, weight, bias);
  const torch::Tensor pixel = torch::cat({x, skip}, 1).select(2, 3).select(2, 1);  // [2,5]
  EXPECT_TRUE(
      torch::allclose(y.select(2, 3).select(2, 1), pixel.matmul(weight.view({4, 5}).t()) + bias));
}

TEST(PointwiseConvolution, AddsTheResidualAndItsBias) {
  const torch::Tensor x = hash_tensor(1, {2, 3, 4, 5}, 1), weight = hash_tensor(2, {4, 3}, 1);
  const torch::Tensor bias = hash_tensor(3, {4}, 1), residual_bias = hash_tensor(4, {4}, 1);
  const torch::Tensor residual = hash_tensor(5, {2, 4, 4, 5}, 1);
  const torch::Tensor y =
      ops::pointwise_convolution(x, {}, weight, bias, {.value = residual, .bias = residual_bias});
  const torch::Tensor expected = torch::einsum("nchw,oc->nohw", {x, weight}) + residual +
                                 (bias + residual_bias).view({1, 4, 1, 1});
  EXPECT_TRUE(torch::allclose(y, expected));
}

// The window of a row's first output is pixels 0 to 2 if zeros are only after the last pixel, and
// -1 to 1 if zeros are on both sides.
TEST(DownsampleConvolution, PadsWhereItSays) {
  const torch::Tensor x = hash_tensor(1, {1, 1, 6, 6}, 1),
                      bias = torch::zeros({1}, torch::kFloat64);
  const torch::Tensor ones = torch::ones({1, 1, 3, 3}, torch::kFloat64);
  const auto sum = [&](std::int64_t from, std::int64_t to) {
    return x.slice(2, from, to).slice(3, from, to).sum().item<double>();
  };
  const torch::Tensor even =
      ops::downsample_convolution(x, ones, bias, DownsamplePadding::kSymmetric);
  const torch::Tensor odd =
      ops::downsample_convolution(x, ones, bias, DownsamplePadding::kAsymmetric);
  EXPECT_EQ(even.sizes(), torch::IntArrayRef({1, 1, 3, 3}));
  EXPECT_EQ(odd.sizes(), torch::IntArrayRef({1, 1, 3, 3}));
  EXPECT_NEAR((even[0][0][0][0].item<double>()), sum(0, 2), 1e-12);
  EXPECT_NEAR((odd[0][0][0][0].item<double>()), sum(0, 3), 1e-12);
  EXPECT_NEAR((odd[0][0][2][2].item<double>()), sum(4, 6), 1e-12);
}

TEST(Join, SharesMemoryOfNeighboursAndCopiesOthers) {
  const torch::Tensor flat = torch::arange(12, torch::kFloat64);
  const torch::Tensor a = flat.narrow(0, 0, 4).view({2, 2}).requires_grad_();
  const torch::Tensor b = flat.narrow(0, 4, 6).view({3, 2}).requires_grad_();
  const torch::Tensor joined = ops::join({a, b}), copied = ops::join({b, a});
  EXPECT_EQ(joined.const_data_ptr(), flat.const_data_ptr());
  EXPECT_TRUE(torch::equal(joined, torch::cat({a, b})));
  EXPECT_TRUE(torch::equal(copied, torch::cat({b, a})));
  const torch::Tensor seed = hash_tensor(1, {5, 2}, 1);
  const auto gradients = torch::autograd::grad({joined}, {a, b}, {seed});
  EXPECT_TRUE(torch::equal(gradients[0], seed.narrow(0, 0, 2)));
  EXPECT_TRUE(torch::equal(gradients[1], seed.narrow(0, 2, 3)));
}

// Compares with doubling and convolving one after the other.
TEST(UpsampleConvolution, IsADoublingAndAConvolution) {
  const torch::Tensor x = hash_tensor(1, {2, 3, 4, 5}, 1).requires_grad_();
  const torch::Tensor weight = hash_tensor(2, {4, 3, 3, 3}, 1).requires_grad_();
  const torch::Tensor bias = hash_tensor(3, {4}, 1).requires_grad_();
  const torch::Tensor y = ops::upsample_convolution(x, weight, bias);
  const torch::Tensor expected =
      torch::conv2d(torch::upsample_nearest2d(x, {8, 10}), weight, bias, 1, 1);
  EXPECT_TRUE(torch::allclose(y, expected, 1e-10, 1e-12));
  const torch::Tensor seed = hash_tensor(4, y.sizes(), 1);
  const auto actual_gradients = torch::autograd::grad({y}, {x, weight, bias}, {seed});
  const auto expected_gradients = torch::autograd::grad({expected}, {x, weight, bias}, {seed});
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_TRUE(torch::allclose(actual_gradients[i], expected_gradients[i], 1e-10, 1e-12));
}

TEST(Gather, CopiesOrAddsWhatIsDefined) {
  torch::Tensor flat = torch::full({128}, 5.0f);
  const std::vector<torch::Tensor> targets = {flat.narrow(0, 0, 4).view({2, 2}),
                                              flat.narrow(0, 64, 3)};
  const std::vector<torch::Tensor> sources = {torch::tensor({{1.0f, 2.0f}, {3.0f, 4.0f}}), {}};
  ops::gather(sources, targets, /*accumulate=*/false);
  ops::gather(sources, targets, /*accumulate=*/true);
  EXPECT_TRUE(torch::equal(flat.narrow(0, 0, 5), torch::tensor({2.0f, 4.0f, 6.0f, 8.0f, 5.0f})));
  EXPECT_EQ(flat[64].item<float>(), 5);
}

}  // namespace
}  // namespace ddpm
