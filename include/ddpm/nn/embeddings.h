// Embeddings of the time and, if they exist, of the class and of a vector, which residual blocks
// get beside the image. They are vectors [N,channels], and their sum is used.
#pragma once

#include "ddpm/config/config.h"
#include "ddpm/config/unet_plan.h"
#include "ddpm/interop/names.h"
#include "ddpm/nn/layers.h"
#include "ddpm/ops/condition.h"

namespace ddpm {

// Turns a time into numbers, from which the network computes its embedding. t: [N] in steps.
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

// The layers linear, SiLU, linear: [N,width] to [N,channels].
class TimeEmbeddingImpl : public torch::nn::Module {
 public:
  TimeEmbeddingImpl(std::int64_t width, std::int64_t channels, const UNetNames& names);
  torch::Tensor forward(const torch::Tensor& features);

 private:
  Linear linear1_{nullptr}, linear2_{nullptr};
};
TORCH_MODULE(TimeEmbedding);

// Makes the vector of a class; model.class_embedding says how:
//   table:    row `label` of `weight` [class_rows,channels]; labels [N] int64 below class_rows
//   timestep: labels [N] are treated as times, with layers of their own
//   identity: the given vectors themselves, [N,channels]
class ClassEmbeddingImpl : public LayerImpl {
 public:
  // The time uses the same `features`, so they are not registered here.
  ClassEmbeddingImpl(const ModelConfig& config, const UNetPlan& plan, TimeFeatures features,
                     const UNetNames& names);
  torch::Tensor forward(const torch::Tensor& labels);

 private:
  TimeFeatures features_{nullptr};
  ClassEmbeddingKind kind_;
  TimeEmbedding layers_{nullptr};
};
TORCH_MODULE(ClassEmbedding);

// Labels of zeros that fit the network, to try it out; undefined for an unconditional network.
torch::Tensor zero_labels(const ModelConfig& config, std::int64_t count,
                          torch::Device device = torch::kCPU);

// The vector of a network with model.vector_time_width: `numbers` [N,...] followed by the sinusoids
// of `sizes` [N,...], which are like those of the time.
torch::Tensor vector_with_sizes(const ModelConfig& config, const torch::Tensor& numbers,
                                const torch::Tensor& sizes);

// A condition of zeros that fits the network, to try it out, with as many tokens as a text of
// Stable Diffusion has.
Condition zero_condition(const ModelConfig& config, std::int64_t count,
                         torch::Device device = torch::kCPU);

}  // namespace ddpm
