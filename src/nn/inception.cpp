#include "ddpm/nn/inception.h"

namespace ddpm {

// A layer is its name, its channels, the height and width of its filter, and its stride if that is 2.

std::vector<InceptionImpl::BranchShape> InceptionImpl::block_a(std::int64_t pool_channels) {
  return {
      {Pool::kNone, {{"branch1x1", 64, 1, 1}}},
      {Pool::kNone, {{"branch5x5_1", 48, 1, 1}, {"branch5x5_2", 64, 5, 5}}},
      {Pool::kNone,
       {{"branch3x3dbl_1", 64, 1, 1}, {"branch3x3dbl_2", 96, 3, 3}, {"branch3x3dbl_3", 96, 3, 3}}},
      {Pool::kAverage, {{"branch_pool", pool_channels, 1, 1}}}};
}

std::vector<InceptionImpl::BranchShape> InceptionImpl::block_b() {
  return {{Pool::kNone, {{"branch3x3", 384, 3, 3, 2}}},
          {Pool::kNone,
           {{"branch3x3dbl_1", 64, 1, 1},
            {"branch3x3dbl_2", 96, 3, 3},
            {"branch3x3dbl_3", 96, 3, 3, 2}}},
          {Pool::kHalving, {}}};
}

std::vector<InceptionImpl::BranchShape> InceptionImpl::block_c(std::int64_t inner) {
  return {
      {Pool::kNone, {{"branch1x1", 192, 1, 1}}},
      {Pool::kNone,
       {{"branch7x7_1", inner, 1, 1}, {"branch7x7_2", inner, 1, 7}, {"branch7x7_3", 192, 7, 1}}},
      {Pool::kNone,
       {{"branch7x7dbl_1", inner, 1, 1},
        {"branch7x7dbl_2", inner, 7, 1},
        {"branch7x7dbl_3", inner, 1, 7},
        {"branch7x7dbl_4", inner, 7, 1},
        {"branch7x7dbl_5", 192, 1, 7}}},
      {Pool::kAverage, {{"branch_pool", 192, 1, 1}}}};
}

std::vector<InceptionImpl::BranchShape> InceptionImpl::block_d() {
  return {{Pool::kNone, {{"branch3x3_1", 192, 1, 1}, {"branch3x3_2", 320, 3, 3, 2}}},
          {Pool::kNone,
           {{"branch7x7x3_1", 192, 1, 1},
            {"branch7x7x3_2", 192, 1, 7},
            {"branch7x7x3_3", 192, 7, 1},
            {"branch7x7x3_4", 192, 3, 3, 2}}},
          {Pool::kHalving, {}}};
}

std::vector<InceptionImpl::BranchShape> InceptionImpl::block_e(Pool pool) {
  return {{Pool::kNone, {{"branch1x1", 320, 1, 1}}},
          {Pool::kNone,
           {{"branch3x3_1", 384, 1, 1}},
           {{"branch3x3_2a", 384, 1, 3}, {"branch3x3_2b", 384, 3, 1}}},
          {Pool::kNone,
           {{"branch3x3dbl_1", 448, 1, 1}, {"branch3x3dbl_2", 384, 3, 3}},
           {{"branch3x3dbl_3a", 384, 1, 3}, {"branch3x3dbl_3b", 384, 3, 1}}},
          {pool, {{"branch_pool", 192, 1, 1}}}};
}

InceptionImpl::InceptionImpl() {
  const auto add_to_stem = [&](const LayerShape& shape, bool padded) {
    stem_.push_back(make_layer(shape.name, channels_, shape, padded));
    channels_ = shape.channels;
  };
  add_to_stem({"Conv2d_1a_3x3", 32, 3, 3, 2}, false);
  add_to_stem({"Conv2d_2a_3x3", 32, 3, 3}, false);
  add_to_stem({"Conv2d_2b_3x3", 64, 3, 3}, true);
  add_to_stem({"Conv2d_3b_1x1", 80, 1, 1}, false);
  add_to_stem({"Conv2d_4a_3x3", 192, 3, 3}, false);
  add_block("Mixed_5b", block_a(32));
  add_block("Mixed_5c", block_a(64));
  add_block("Mixed_5d", block_a(64));
  add_block("Mixed_6a", block_b());
  add_block("Mixed_6b", block_c(128));
  add_block("Mixed_6c", block_c(160));
  add_block("Mixed_6d", block_c(160));
  add_block("Mixed_6e", block_c(192));
  add_block("Mixed_7a", block_d());
  add_block("Mixed_7b", block_e(Pool::kAverage));
  add_block("Mixed_7c", block_e(Pool::kMaximum));
  fc_ = register_module("fc", Linear(kFeatures, kClasses, Role::kLast, /*has_bias=*/false));
}

InceptionImpl::Layer InceptionImpl::make_layer(const std::string& path, std::int64_t in,
                                               const LayerShape& shape, bool padded) {
  Layer layer{.convolution = Convolution(in, shape.channels, shape.height, shape.width),
              .stride = shape.stride,
              .padding = {0, 0}};
  if (padded && shape.stride == 1) layer.padding = {shape.height / 2, shape.width / 2};
  register_at(*this, path, layer.convolution.ptr());
  return layer;
}

void InceptionImpl::add_block(const std::string& name, const std::vector<BranchShape>& shapes) {
  Block block;
  std::int64_t joined = 0;
  for (const BranchShape& shape : shapes) {
    Branch branch{.pool = shape.pool, .chain = {}, .heads = {}};
    std::int64_t channels = channels_;
    const auto make = [&](const LayerShape& layer) {
      return make_layer(name + "." + layer.name, channels, layer);
    };
    for (const LayerShape& layer : shape.chain) {
      branch.chain.push_back(make(layer));
      channels = layer.channels;
    }
    for (const LayerShape& layer : shape.heads) {
      branch.heads.push_back(make(layer));
      joined += layer.channels;
    }
    if (shape.heads.empty()) joined += channels;
    block.push_back(std::move(branch));
  }
  channels_ = joined;
  blocks_.push_back(std::move(block));
}

torch::Tensor InceptionImpl::apply(const Layer& layer, const torch::Tensor& x) {
  return torch::conv2d(x, layer.convolution->weight, layer.convolution->bias, layer.stride,
                       layer.padding)
      .relu_();
}

torch::Tensor InceptionImpl::apply(const Branch& branch, torch::Tensor x) {
  switch (branch.pool) {
    case Pool::kNone:
      break;
    case Pool::kAverage:
      x = torch::avg_pool2d(x, 3, 1, 1, /*ceil_mode=*/false, /*count_include_pad=*/false);
      break;
    case Pool::kMaximum:
      x = torch::max_pool2d(x, 3, 1, 1);
      break;
    case Pool::kHalving:
      x = torch::max_pool2d(x, 3, 2);
      break;
  }
  for (const Layer& layer : branch.chain) x = apply(layer, x);
  if (branch.heads.empty()) return x;
  std::vector<torch::Tensor> ends;
  for (const Layer& layer : branch.heads) ends.push_back(apply(layer, x));
  return torch::cat(ends, 1);
}

InceptionOutput InceptionImpl::forward(const torch::Tensor& images) {
  torch::NoGradGuard no_grad;
  torch::Tensor x = images.to(fc_->weight.options()).contiguous(torch::MemoryFormat::ChannelsLast);
  for (std::size_t i = 0; i < stem_.size(); ++i) {
    x = apply(stem_[i], x);
    if (i == 2 || i == 4) x = torch::max_pool2d(x, 3, 2);
  }
  for (const Block& block : blocks_) {
    std::vector<torch::Tensor> results;
    for (const Branch& branch : block) results.push_back(apply(branch, x));
    x = torch::cat(results, 1);
  }
  const torch::Tensor features = x.mean({2, 3});
  return {features, torch::linear(features, fc_->weight)};
}

}  // namespace ddpm
