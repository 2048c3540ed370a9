// What residual blocks are told beside the image: the time, and the class if there is one. Both
// become vectors [N,channels] that are added up.
#pragma once

#include <torch/nn/modules/linear.h>

#include "ddpm/config/config.h"
#include "ddpm/interop/names.h"

namespace ddpm {

// Numbers that stand for a time before the network learns from it. t: [N] in steps.
//   sinusoidal: sines and cosines, [N,base_width] (Ho et al., appendix B)
//   learned:    a row of `weight` [rows,base_width]; t int64 below rows
//   fourier:    sines and cosines of 2 pi ln(t) w, [N,2*base_width], for the fixed random w in
//               `weight` [base_width] (Song et al., "Score-Based Generative Modeling"); t > 0
class TimeFeaturesImpl : public torch::nn::Module {
 public:
  explicit TimeFeaturesImpl(const ModelConfig& config);
  torch::Tensor forward(const torch::Tensor& t);

  std::int64_t width() const;  // of the result
  bool learned() const { return kind_ == TimeEmbeddingKind::kLearned; }

  torch::Tensor weight;  // undefined for sinusoidal

 private:
  TimeEmbeddingKind kind_;
  std::int64_t base_width_;
  bool cosine_first_, half_minus_one_;
};
TORCH_MODULE(TimeFeatures);

// [N,width] -> linear -> SiLU -> linear; [N,channels].
class TimeEmbeddingImpl : public torch::nn::Module {
 public:
  TimeEmbeddingImpl(std::int64_t width, std::int64_t channels, const UNetNames& names);
  torch::Tensor forward(const torch::Tensor& features);

 private:
  torch::nn::Linear linear1_{nullptr}, linear2_{nullptr};
};
TORCH_MODULE(TimeEmbedding);

// The vector of a class, by model.class_embedding:
//   table:    row `label` of `weight` [classes,channels]; labels [N] int64 below classes
//   timestep: labels [N] as if they were times, through layers of their own
//   identity: the vectors themselves, [N,channels]
class ClassEmbeddingImpl : public torch::nn::Module {
 public:
  // `features` also makes those of the time; it is not registered here.
  ClassEmbeddingImpl(const ModelConfig& config, TimeFeatures features, const UNetNames& names);
  torch::Tensor forward(const torch::Tensor& labels);

  torch::Tensor weight;  // defined for table

 private:
  TimeFeatures features_{nullptr};
  ClassEmbeddingKind kind_;
  TimeEmbedding layers_{nullptr};
};
TORCH_MODULE(ClassEmbedding);

// Labels that such a network takes, all zero, to try it out; undefined if it takes none.
torch::Tensor zero_labels(const ModelConfig& config, std::int64_t count,
                          torch::Device device = torch::kCPU);

}  // namespace ddpm
