// What residual blocks are told beside the image: the time, and the class if there is one. Both
// become vectors [N,channels] that are added up.
#pragma once

#include "ddpm/config/config.h"
#include "ddpm/config/unet_plan.h"
#include "ddpm/interop/names.h"
#include "ddpm/nn/layers.h"

namespace ddpm {

// Numbers that stand for a time before the network learns from it. t: [N] in steps.
//   sinusoidal: sines and cosines, [N,base_width] (Ho et al., appendix B)
//   learned:    a row of `weight` [rows,base_width]; t whole numbers below rows
//   fourier:    sines and cosines of 2 pi ln(t) w, [N,2*base_width], for the fixed random w in
//               `weight` [base_width] (Song et al., "Score-Based Generative Modeling"); t > 0
class TimeFeaturesImpl : public LayerImpl {
 public:
  explicit TimeFeaturesImpl(const ModelConfig& config);
  torch::Tensor forward(const torch::Tensor& t);

  TimeEmbeddingKind kind() const { return kind_; }

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
  Linear linear1_{nullptr}, linear2_{nullptr};
};
TORCH_MODULE(TimeEmbedding);

// The vector of a class, by model.class_embedding:
//   table:    row `label` of `weight` [classes,channels]; labels [N] int64 below classes
//   timestep: labels [N] as if they were times, through layers of their own
//   identity: the vectors themselves, [N,channels]
class ClassEmbeddingImpl : public LayerImpl {
 public:
  // `features` also makes those of the time; it is not registered here.
  ClassEmbeddingImpl(const ModelConfig& config, const UNetPlan& plan, TimeFeatures features,
                     const UNetNames& names);
  torch::Tensor forward(const torch::Tensor& labels);

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
