// The layers of all networks. A layer is a shape until it is bound: it knows the sizes and roles of
// its parameters, but they have no memory and no values until ParameterLayout::bind_parameters
// (nn/parameter_layout.h) makes them views of a flat buffer. So a network of any size is built
// instantly, and a trained one takes its values directly from its file. Layers compute with the
// functions of ops/.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ddpm/ops/group_norm.h"

namespace ddpm {

// The role of a layer's parameters, which decides their first values (nn/initialize.h).
enum class Role {
  kWeight,      // filters and their bias
  kLast,        // the same for the last layer of a block or network
  kScale,       // factors and offsets after a norm
  kTable,       // a table, of which rows are looked up
  kFrequencies  // fixed frequencies of sines and cosines, never trained
};

class LayerImpl : public torch::nn::Module {
 public:
  // `weight` and `bias` are the sizes of the parameters; empty: there is no such parameter.
  LayerImpl(Role role, const std::vector<std::int64_t>& weight,
            const std::vector<std::int64_t>& bias);

  Role role() const { return role_; }

  torch::Tensor weight, bias;  // until they are bound, every element is the same single zero

 private:
  Role role_;
};

// Registers `child` below `root` under a dotted path, and creates the modules between if needed.
void register_at(torch::nn::Module& root, const std::string& path,
                 std::shared_ptr<torch::nn::Module> child);

// A linear layer: weight [out,in], and bias [out] unless it has none.
class LinearImpl : public LayerImpl {
 public:
  LinearImpl(std::int64_t in, std::int64_t out, Role role = Role::kWeight, bool has_bias = true)
      : LayerImpl(role, {out, in}, has_bias ? std::vector{out} : std::vector<std::int64_t>{}) {}
};
TORCH_MODULE(Linear);

// A convolution: weight [out,in,side,side] or [out,in,height,width], bias [out].
class ConvolutionImpl : public LayerImpl {
 public:
  ConvolutionImpl(std::int64_t in, std::int64_t out, std::int64_t side, Role role = Role::kWeight)
      : LayerImpl(role, {out, in, side, side}, {out}) {}
  ConvolutionImpl(std::int64_t in, std::int64_t out, std::int64_t height, std::int64_t width)
      : LayerImpl(Role::kWeight, {out, in, height, width}, {out}) {}
};
TORCH_MODULE(Convolution);

// A transposed convolution: weight [in,out,side,side], bias [out].
class TransposedConvolutionImpl : public LayerImpl {
 public:
  TransposedConvolutionImpl(std::int64_t in, std::int64_t out, std::int64_t side)
      : LayerImpl(Role::kWeight, {in, out, side, side}, {out}) {}
};
TORCH_MODULE(TransposedConvolution);

// A convolution along one axis: weight [out,in,length], bias [out].
class Convolution1dImpl : public LayerImpl {
 public:
  Convolution1dImpl(std::int64_t in, std::int64_t out, std::int64_t length)
      : LayerImpl(Role::kWeight, {out, in, length}, {out}) {}
};
TORCH_MODULE(Convolution1d);

// A transposed convolution along one axis: weight [in,out,length], bias [out].
class TransposedConvolution1dImpl : public LayerImpl {
 public:
  TransposedConvolution1dImpl(std::int64_t in, std::int64_t out, std::int64_t length)
      : LayerImpl(Role::kWeight, {in, out, length}, {out}) {}
};
TORCH_MODULE(TransposedConvolution1d);

// A group norm with the operations that follow it in these networks: weight and bias [channels].
class NormImpl : public LayerImpl {
 public:
  NormImpl(std::int64_t channels, std::int64_t groups, double epsilon)
      : LayerImpl(Role::kScale, {channels}, {channels}), groups_(groups), epsilon_(epsilon) {}

  // Normalises, then applies SiLU if `silu`, and dropout if a draw is given; see ops/group_norm.h.
  ops::GroupNormOutput forward(const ops::GroupNormInput& input, bool silu, double dropout = 0,
                               const std::optional<ops::Draw>& draw = std::nullopt);

 private:
  std::int64_t groups_;
  double epsilon_;
};
TORCH_MODULE(Norm);

// A norm of each token: weight and bias [channels].
class LayerNormImpl : public LayerImpl {
 public:
  explicit LayerNormImpl(std::int64_t channels) : LayerImpl(Role::kScale, {channels}, {channels}) {}

  torch::Tensor forward(const torch::Tensor& tokens);  // [N,tokens,channels]
};
TORCH_MODULE(LayerNorm);

}  // namespace ddpm
