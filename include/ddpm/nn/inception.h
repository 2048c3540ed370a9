// Inception-v3, by whose features sets of images are compared. Szegedy et al., "Rethinking the
// Inception Architecture for Computer Vision", in the version of the TensorFlow graph of 2015-12-05
// that the FID is defined by. It differs from torchvision's in three places: average pools do not
// count the padding, the last block has a maximum pool instead, and there are 1008 classes. It is
// not trained here.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ddpm/nn/layers.h"

namespace ddpm {

struct InceptionOutput {
  torch::Tensor features;  // [N,2048], the means over the last feature maps
  torch::Tensor logits;    // [N,1008] without the bias of the last layer, as scores are defined
};

// The modules have the names of torchvision, Mixed_5b.branch1x1. A convolution has a bias here
// instead of a batch norm after it (io/inception_file.h).
class InceptionImpl : public torch::nn::Module {
 public:
  static constexpr std::int64_t kSide = 299, kFeatures = 2048, kClasses = 1008;

  InceptionImpl();

  // images: [N,3,299,299] in [-1,1]. Computes without gradients, in the type of the weights.
  InceptionOutput forward(const torch::Tensor& images);

  // No parameters are used together, see ParameterLayout.
  std::vector<std::vector<torch::Tensor>> joined_parameters() const { return {}; }

 private:
  enum class Pool { kNone, kAverage, kMaximum, kHalving };
  struct LayerShape {
    const char* name;
    std::int64_t channels, height, width, stride = 1;
  };
  struct BranchShape {
    Pool pool;
    std::vector<LayerShape> chain;       // one after the other
    std::vector<LayerShape> heads = {};  // side by side at the end of the chain
  };
  struct Layer {
    Convolution convolution{nullptr};
    std::int64_t stride = 1;
    std::vector<std::int64_t> padding;  // rows and columns
  };
  struct Branch {
    Pool pool;
    std::vector<Layer> chain, heads;
  };
  using Block = std::vector<Branch>;  // whose results are joined

  static std::vector<BranchShape> block_a(std::int64_t pool_channels);
  static std::vector<BranchShape> block_b();
  static std::vector<BranchShape> block_c(std::int64_t inner);
  static std::vector<BranchShape> block_d();
  static std::vector<BranchShape> block_e(Pool pool);

  Layer make_layer(const std::string& path, std::int64_t in, const LayerShape& shape,
                   bool padded = true);
  void add_block(const std::string& name, const std::vector<BranchShape>& shapes);
  static torch::Tensor apply(const Layer& layer, const torch::Tensor& x);
  static torch::Tensor apply(const Branch& branch, torch::Tensor x);

  std::int64_t channels_ = 3;  // after the last block that was added
  std::vector<Layer> stem_;
  std::vector<Block> blocks_;
  Linear fc_{nullptr};
};
TORCH_MODULE(Inception);

}  // namespace ddpm
