#include "winograd.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <vector>

#include "kernels.h"
#include "winograd_transforms.h"

namespace ddpm::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

constexpr std::int64_t kPoints = 16;        // products of a tile
constexpr std::int64_t kChannelBlock = 64;  // least number of channels of a product
constexpr std::int64_t kTasks = 32;         // the same number for any number of threads

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// A channels_last map of float32, divided into tiles of 2x2 pixels in reading order. Tiles of the
// last row or column may reach beyond the map.
class Map {
 public:
  explicit Map(const torch::Tensor& x)
      : data_(x.data_ptr<float>()),
        height_(x.size(2)),
        width_(x.size(3)),
        channels_(x.size(1)),
        rows_(divide_up(height_, 2)),
        columns_(divide_up(width_, 2)),
        tiles_(x.size(0) * rows_ * columns_),
        outside_(static_cast<std::size_t>(channels_)) {}

  std::int64_t tiles() const { return tiles_; }

  // The pixels (2 row + first + i, 2 column + first + j) of a tile, for i and j below `side`. Each
  // is a vector of channels; outside of the map it is zeros.
  template <std::size_t side>
  std::array<const float*, side * side> pixels(std::int64_t tile, std::int64_t first) const {
    std::array<const float*, side * side> pointers;
    for (std::size_t k = 0; k < pointers.size(); ++k) {
      float* pixel = at(tile, first + static_cast<std::int64_t>(k / side),
                        first + static_cast<std::int64_t>(k % side));
      pointers[k] = pixel != nullptr ? pixel : outside_.data();
    }
    return pointers;
  }

  // The pixel of a tile, or null outside of the map.
  float* at(std::int64_t tile, std::int64_t i, std::int64_t j) const {
    const std::int64_t image = tile / (rows_ * columns_);
    const std::int64_t y = 2 * (tile / columns_ % rows_) + i, x = 2 * (tile % columns_) + j;
    if (y < 0 || y >= height_ || x < 0 || x >= width_) return nullptr;
    return data_ + ((image * height_ + y) * width_ + x) * channels_;
  }

 private:
  float* data_;
  std::int64_t height_, width_, channels_, rows_, columns_, tiles_;
  std::vector<float> outside_;
};

// The number of tiles whose products fit the cache of a core, for that many channels.
std::int64_t tiles_of_panel(std::int64_t channels, std::int64_t points) {
  constexpr std::int64_t kCache = 1 << 20;  // bytes
  const std::int64_t tile = points * channels * static_cast<std::int64_t>(sizeof(float));
  return std::clamp<std::int64_t>(kCache / tile / 8 * 8, 48, 256);
}

torch::Tensor buffer(std::initializer_list<std::int64_t> sizes) {
  return torch::empty(sizes, torch::kFloat32);
}

// Transforms filters [A,B,3,3] to [16,A,B]. For gradients of inputs they are rotated by 180
// degrees.
torch::Tensor transformed_filters(const torch::Tensor& weight, bool turned) {
  const torch::Tensor filters = weight.contiguous(torch::MemoryFormat::ChannelsLast);
  const std::int64_t outputs = filters.size(0), inputs = filters.size(1);
  const torch::Tensor u = buffer({kPoints, outputs, inputs});
  const float* from = filters.const_data_ptr<float>();
  float* to = u.data_ptr<float>();
  at::parallel_for(0, outputs, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) {
      std::array<const float*, 9> taps;
      for (std::int64_t i = 0; i < 9; ++i)
        taps[static_cast<std::size_t>(turned ? 8 - i : i)] = from + (k * 9 + i) * inputs;
      winograd::transform_filter(taps.data(), to + k * inputs, outputs * inputs, inputs);
    }
  });
  return u;
}

// Computes y [N,K,H,W] from x [N,C,H,W] and u [16,C,K], which may be a transposed view.
torch::Tensor convolve(const torch::Tensor& x, const torch::Tensor& u, const torch::Tensor& bias,
                       const torch::Tensor& residual) {
  const std::int64_t inputs = u.size(1), outputs = u.size(2);
  const torch::Tensor y = torch::empty({x.size(0), outputs, x.size(2), x.size(3)}, x.options(),
                                       torch::MemoryFormat::ChannelsLast);
  const Map from(x), to(y);
  const std::vector<float> no_bias(static_cast<std::size_t>(outputs));
  const float* biases = bias.defined() ? bias.const_data_ptr<float>() : no_bias.data();
  const std::int64_t panel = tiles_of_panel(inputs + std::min(outputs, std::int64_t{256}), kPoints);
  const std::int64_t panels = divide_up(from.tiles(), panel);
  const std::int64_t blocks =
      std::clamp<std::int64_t>(divide_up(kTasks, panels), 1, divide_up(outputs, kChannelBlock));
  const std::int64_t width = divide_up(divide_up(outputs, blocks), 16) * 16;

  at::parallel_for(0, panels * blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    torch::NoGradGuard no_grad;
    const torch::Tensor v_memory = buffer({kPoints * panel * inputs});
    const torch::Tensor m_memory = buffer({kPoints * panel * width});
    std::vector<float> outside(static_cast<std::size_t>(width));  // takes pixels beyond the map
    torch::Tensor v;
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t first = task / blocks * panel, k = task % blocks * width;
      const std::int64_t tiles = std::min(panel, from.tiles() - first);
      const std::int64_t count = std::min(width, outputs - k);
      if (count <= 0) continue;
      if (task == begin || task % blocks == 0) {  // else the last task's is still valid
        v = v_memory.narrow(0, 0, kPoints * tiles * inputs).view({kPoints, tiles, inputs});
        for (std::int64_t i = 0; i < tiles; ++i) {
          const auto pixels = from.pixels<4>(first + i, -1);
          for (int row = 0; row < 4; ++row)
            winograd::transform_input_row(pixels.data(), row,
                                          v.data_ptr<float>() + (4 * row * tiles + i) * inputs,
                                          tiles * inputs, inputs);
        }
      }
      torch::Tensor m =
          m_memory.narrow(0, 0, kPoints * tiles * count).view({kPoints, tiles, count});
      at::bmm_out(m, v, u.narrow(2, k, count));
      for (std::int64_t i = 0; i < tiles; ++i) {
        std::array<float*, 4> pixels;
        for (std::int64_t j = 0; j < 4; ++j) {
          float* pixel = to.at(first + i, j / 2, j % 2);
          pixels[static_cast<std::size_t>(j)] = pixel != nullptr ? pixel + k : outside.data();
        }
        winograd::transform_output(m.data_ptr<float>() + i * count, tiles * count, biases + k,
                                   pixels.data(), count);
      }
    }
  });
  return residual.defined() ? y.add_(residual) : y;
}

// The gradient of the filters [C_out,C_in,3,3], channels last, from that of the result.
torch::Tensor filter_gradient(const torch::Tensor& dy, const torch::Tensor& x) {
  constexpr std::int64_t kBlock = 128;  // input channels
  const std::int64_t inputs = x.size(1), outputs = dy.size(1);
  const std::int64_t blocks = divide_up(inputs, kBlock);
  const Map from(x), to(dy);
  std::vector<torch::Tensor> sums;  // [16,C_out,channels] for each block
  for (std::int64_t b = 0; b < blocks; ++b)
    sums.push_back(buffer({kPoints, outputs, std::min(kBlock, inputs - b * kBlock)}));

  // A task computes one row of four products for one block of channels.
  const std::int64_t panel = tiles_of_panel(std::min(kBlock, inputs) + outputs, 4);
  at::parallel_for(0, 4 * blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    torch::NoGradGuard no_grad;
    for (std::int64_t task = begin; task < end; ++task) {
      const auto row = static_cast<int>(task % 4);
      const std::int64_t c = task / 4 * kBlock;
      torch::Tensor sum = sums[static_cast<std::size_t>(task / 4)].narrow(0, 4 * row, 4);
      const std::int64_t channels = sum.size(2);
      for (std::int64_t first = 0; first < from.tiles(); first += panel) {
        const std::int64_t tiles = std::min(panel, from.tiles() - first);
        const torch::Tensor v = buffer({4, tiles, channels}), dm = buffer({4, tiles, outputs});
        for (std::int64_t i = 0; i < tiles; ++i) {
          auto pixels = from.pixels<4>(first + i, -1);
          for (const float*& pixel : pixels) pixel += c;
          winograd::transform_input_row(pixels.data(), row, v.data_ptr<float>() + i * channels,
                                        tiles * channels, channels);
          winograd::transform_gradient_row(to.pixels<2>(first + i, 0).data(), row,
                                           dm.data_ptr<float>() + i * outputs, tiles * outputs,
                                           outputs);
        }
        if (first == 0)
          at::bmm_out(sum, dm.transpose(1, 2), v);
        else
          sum.baddbmm_(dm.transpose(1, 2), v);
      }
    }
  });

  const torch::Tensor dweight =
      torch::empty({outputs, inputs, 3, 3}, x.options(), torch::MemoryFormat::ChannelsLast);
  float* out = dweight.data_ptr<float>();
  at::parallel_for(0, outputs, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k)
      for (std::int64_t b = 0; b < blocks; ++b) {
        const torch::Tensor& sum = sums[static_cast<std::size_t>(b)];
        const std::int64_t channels = sum.size(2);
        winograd::transform_filter_gradient(sum.const_data_ptr<float>() + k * channels,
                                            outputs * channels, out + k * 9 * inputs + b * kBlock,
                                            inputs, channels);
      }
  });
  return dweight;
}

class WinogradFunction : public Function<WinogradFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& weight, const OptionalTensor& bias,
                               const OptionalTensor& residual) {
    context->save_for_backward({x, weight});
    context->saved_data["has_bias"] = bias.has_value();
    context->saved_data["has_residual"] = residual.has_value();
    return result(x, weight, value_of(bias), value_of(residual));
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor &x = saved[0], &weight = saved[1];
    const torch::Tensor dy = gradients[0].contiguous(torch::MemoryFormat::ChannelsLast);
    torch::Tensor dx, dbias, dresidual;
    if (context->needs_input_grad(0))
      dx = convolve(dy, transformed_filters(weight, /*turned=*/true), {}, {});
    if (context->saved_data["has_bias"].toBool()) dbias = dy.sum({0, 2, 3});
    if (context->saved_data["has_residual"].toBool()) dresidual = dy;
    return {dx, filter_gradient(dy, x), dbias, dresidual};
  }

  static torch::Tensor result(const torch::Tensor& x, const torch::Tensor& weight,
                              const torch::Tensor& bias, const torch::Tensor& residual) {
    // Products with the filters' inputs first are faster, but their order in memory differs.
    constexpr std::int64_t kManyTiles = 1024;
    const torch::Tensor filters =
        Map(x).tiles() >= kManyTiles
            ? transformed_filters(weight.transpose(0, 1), /*turned=*/false)
            : transformed_filters(weight, /*turned=*/false).transpose(1, 2);
    return convolve(x, filters, bias, residual);
  }
};

}  // namespace

bool winograd_wins(const torch::Tensor& x, const torch::Tensor& weight,
                   const ConvolutionOptions& options) {
  constexpr std::int64_t kFewestChannels = 32;
  return x.is_cpu() && x.scalar_type() == torch::kFloat32 &&
         weight.scalar_type() == torch::kFloat32 && weight.size(2) == 3 && weight.size(3) == 3 &&
         options.stride == 1 && options.padding == 1 && x.numel() > 0 &&
         std::min(weight.size(0), weight.size(1)) >= kFewestChannels;
}

torch::Tensor winograd_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                   const torch::Tensor& bias, const torch::Tensor& residual) {
  const torch::Tensor map = x.contiguous(torch::MemoryFormat::ChannelsLast);
  return torch::GradMode::is_enabled()
             ? WinogradFunction::apply(map, weight, maybe(bias), maybe(residual))
             : WinogradFunction::result(map, weight, bias, residual);
}

}  // namespace ddpm::ops
