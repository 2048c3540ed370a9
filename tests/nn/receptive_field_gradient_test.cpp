// Receptive fields, proved by gradients: networks that are written down here once more, with one
// channel, positive weights, no bias, no activation and no norm. There an output depends on an input
// if and only if the gradient is not zero, because nothing can cancel. The sums are of whole numbers,
// so nothing is lost to rounding either.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>

#include "ddpm/architecture/hifi_gan_graph.h"
#include "ddpm/architecture/receptive_field.h"
#include "ddpm/architecture/unet_graph.h"
#include "support/hifi_gan.h"
#include "support/models.h"

namespace ddpm {
namespace {

using Network = std::function<torch::Tensor(torch::Tensor)>;

torch::Tensor ones(std::int64_t kernel) { return torch::ones({1, 1, kernel}, torch::kFloat64); }

torch::Tensor convolved(const torch::Tensor& x, std::int64_t kernel, std::int64_t dilation = 1) {
  return torch::conv1d(x, ones(kernel), {}, /*stride=*/1, /*padding=*/dilation * (kernel - 1) / 2,
                       dilation);
}

torch::Tensor expanded(const torch::Tensor& x, std::int64_t kernel, std::int64_t stride) {
  return torch::conv_transpose1d(x, ones(kernel), {}, stride, /*padding=*/(kernel - stride) / 2);
}

// The generator of the paper's table 5, with sums for means.
torch::Tensor hifi_gan(torch::Tensor x, const std::vector<std::pair<int, int>>& stages,
                       const std::vector<std::pair<int, std::vector<int>>>& blocks, bool doubled) {
  x = convolved(x, 7);
  for (const auto& [kernel, rate] : stages) {
    x = expanded(x, kernel, rate);
    torch::Tensor sum = torch::zeros_like(x);
    for (const auto& [size, dilations] : blocks) {
      torch::Tensor h = x;
      for (const int dilation : dilations) {
        const torch::Tensor inside = convolved(h, size, dilation);
        h = h + (doubled ? convolved(inside, size) : inside);
      }
      sum = sum + h;
    }
    x = sum;
  }
  return convolved(x, 7);
}

Network version(int number) {
  if (number == 3)
    return [](const torch::Tensor& x) {
      return hifi_gan(x, {{16, 8}, {16, 8}, {8, 4}}, {{3, {1, 2}}, {5, {2, 6}}, {7, {3, 12}}},
                      false);
    };
  return [](const torch::Tensor& x) {
    return hifi_gan(x, {{16, 8}, {16, 8}, {4, 2}, {4, 2}},
                    {{3, {1, 3, 5}}, {7, {1, 3, 5}}, {11, {1, 3, 5}}}, true);
  };
}

// Positions of the last dimension where a row is not zero.
PositionSet positions(const torch::Tensor& row, std::int64_t origin) {
  const torch::Tensor found = row.ne(0).nonzero().view(-1).contiguous();
  std::vector<Interval> intervals;
  for (std::int64_t i = 0; i < found.numel(); ++i) {
    const std::int64_t position = found.data_ptr<std::int64_t>()[i] - origin;
    intervals.push_back({position, position});
  }
  return PositionSet(std::move(intervals));
}

// What each of the outputs first..first + count - 1 sees of an input of that length, relative to
// input `origin`.
std::vector<PositionSet> seen(const Network& network, std::int64_t length, std::int64_t first,
                              std::int64_t count, std::int64_t origin) {
  constexpr std::int64_t kAtOnce = 32;
  std::vector<PositionSet> result;
  for (std::int64_t done = 0; done < count; done += kAtOnce) {
    const std::int64_t rows = std::min(kAtOnce, count - done);
    const torch::Tensor x = torch::ones({rows, 1, length}, torch::kFloat64).requires_grad_();
    const torch::Tensor y = network(x);
    torch::Tensor sum = torch::zeros({}, torch::kFloat64);
    for (std::int64_t row = 0; row < rows; ++row) sum = sum + y[row][0][first + done + row];
    const torch::Tensor gradient = torch::autograd::grad({sum}, {x}).front();
    for (std::int64_t row = 0; row < rows; ++row)
      result.push_back(positions(gradient[row][0], origin));
  }
  return result;
}

TEST(ReceptiveFieldGradients, OfHifiGanAgreeInEveryPhase) {
  for (const int number : {1, 2, 3}) {
    const LayerGraph graph = hifi_gan_graph(testing::hifi_gan_config(number)).axes.front().graph;
    constexpr std::int64_t kFrames = 31, kMiddle = 15, kHop = 256;
    const std::vector<PositionSet> fields =
        seen(version(number), kFrames, kMiddle * kHop, kHop, kMiddle);
    PositionSet hop;
    for (std::int64_t phase = 0; phase < kHop; ++phase) {
      const PositionSet& field = fields[static_cast<std::size_t>(phase)];
      ASSERT_EQ(field.runs(), seen_inputs(graph, phase).runs()) << number << " " << phase;
      hop.add(field);
    }
    EXPECT_EQ(hop.count(), receptive_field(graph).whole_period.size);
    // The outputs that one frame changes.
    torch::Tensor impulse = torch::zeros({1, 1, kFrames}, torch::kFloat64);
    impulse[0][0][kMiddle] = 1;
    EXPECT_EQ(positions(version(number)(impulse)[0][0], kMiddle * kHop).runs(),
              reached_outputs(graph, 0).runs());
    // On an input with ends, the zeros beyond them depend on nothing.
    const std::vector<std::int64_t> lengths = layer_lengths(graph, 4);
    const std::vector<PositionSet> short_fields = seen(version(number), 4, 0, 4 * kHop, 0);
    for (std::int64_t output = 0; output < 4 * kHop; output += 37)
      EXPECT_EQ(short_fields[static_cast<std::size_t>(output)].runs(),
                seen_inputs(graph, output, &lengths).runs());
  }
}

// A UNet's convolutions along one axis, with `blocks` residual blocks down and one more up.
struct PlainUNet {
  int levels, blocks;
  bool symmetric, transposed, residual;

  static torch::Tensor block(const torch::Tensor& x) { return x + convolved(convolved(x, 3), 3); }

  torch::Tensor down(const torch::Tensor& x) const {
    if (residual) return block(torch::avg_pool1d(x, 2));
    const torch::Tensor padded = torch::constant_pad_nd(x, {symmetric ? 1 : 0, 1});
    return torch::conv1d(padded, ones(3), {}, /*stride=*/2);
  }
  torch::Tensor up(const torch::Tensor& x) const {
    if (transposed) return expanded(x, 4, 2);
    const torch::Tensor repeated = x.repeat_interleave(2, -1);
    return residual ? block(repeated) : convolved(repeated, 3);
  }

  torch::Tensor operator()(const torch::Tensor& image) const {
    std::vector<torch::Tensor> kept = {convolved(image, 3)};
    for (int level = 0; level < levels; ++level) {
      for (int i = 0; i < blocks; ++i) kept.push_back(block(kept.back()));
      if (level + 1 < levels) kept.push_back(down(kept.back()));
    }
    torch::Tensor h = block(block(kept.back()));
    for (int level = levels - 1; level >= 0; --level) {
      for (int i = 0; i <= blocks; ++i) {
        h = block(h + kept.back());  // side by side, and then all weights are one
        kept.pop_back();
      }
      if (level > 0) h = up(h);
    }
    return convolved(h, 3);
  }
};

void expect_unet(const PlainUNet& unet) {
  ModelConfig model;
  model.width_multipliers.assign(static_cast<std::size_t>(unet.levels), 1);
  model.attention.assign(static_cast<std::size_t>(unet.levels), true);  // counts as a point
  model.blocks_per_level = unet.blocks;
  model.downsample_padding =
      unet.symmetric ? DownsamplePadding::kSymmetric : DownsamplePadding::kAsymmetric;
  if (unet.transposed) model.upsample = Upsampling::kTransposed;
  if (unet.residual) {
    model.upsample = Upsampling::kResnet;
    model.downsample = Downsampling::kResnet;
  }
  const LayerGraph graph = unet_graph(model, 0, 0).axes.front().graph;
  const std::int64_t period = std::int64_t{1} << (unet.levels - 1);
  const std::int64_t width = receptive_field(graph).size.maximum;
  const std::int64_t middle = (width / period + 2) * period, length = 2 * middle + period;
  const std::vector<PositionSet> fields = seen(unet, length, middle, period, middle);
  for (std::int64_t phase = 0; phase < period; ++phase)
    EXPECT_EQ(fields[static_cast<std::size_t>(phase)].runs(), seen_inputs(graph, phase).runs())
        << unet.levels << " levels, pixel " << phase;
  // A small image, whose ends every pixel may see.
  const std::vector<std::int64_t> lengths = layer_lengths(graph, 8 * period);
  const std::vector<PositionSet> small = seen(unet, 8 * period, 0, 8 * period, 0);
  for (std::int64_t pixel = 0; pixel < 8 * period; ++pixel)
    EXPECT_EQ(small[static_cast<std::size_t>(pixel)].runs(),
              seen_inputs(graph, pixel, &lengths).runs());
}

TEST(ReceptiveFieldGradients, OfUNetsAgreeInEveryPhase) {
  for (const int levels : {1, 2, 3, 4})
    for (const int blocks : {1, 2})
      for (const bool symmetric : {false, true})
        for (const bool transposed : {false, true})
          expect_unet({levels, blocks, symmetric, transposed, false});
  for (const int levels : {2, 3}) expect_unet({levels, 1, false, false, true});
}

}  // namespace
}  // namespace ddpm
