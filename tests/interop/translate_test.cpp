#include "ddpm/interop/translate.h"
#include "ddpm/interop/requirements.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "ddpm/base/error.h"
#include "ddpm/interop/infer.h"
#include "ddpm/interop/names.h"
#include "support/files.h"
#include "support/models.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::message_of;
using Shape = std::vector<std::int64_t>;

// Tensors in their own memory, with the values 0, 1, 2, ...
class Tensors {
 public:
  void add(const std::string& name, const Shape& shape) {
    std::size_t count = 1;
    for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
    std::vector<float>& values = memory_.emplace_back(count);
    for (float& value : values) value = static_cast<float>(next_++);
    set.tensors.push_back({name, DType::kF32, shape, std::as_bytes(std::span(values))});
  }
  TensorSet set;

 private:
  std::vector<std::vector<float>> memory_;
  int next_ = 0;
};

std::vector<float> values(const TensorSet& set, const std::string& name) {
  const TensorView* view = set.find(name);
  if (view == nullptr) return {};
  std::vector<float> result(view->bytes.size() / 4);
  std::memcpy(result.data(), view->bytes.data(), view->bytes.size());
  return result;
}

ModelConfig small() {
  ModelConfig model = testing::tiny();
  model.base_width = 2;
  return model;
}

// Adds every tensor of a network of two levels (widths 2, 4) with one block each and attention at
// the lower level.
void fill_network(Tensors& tensors) {
  const auto layer = [&](const std::string& name, const Shape& shape) {
    tensors.add(name + ".weight", shape);
    tensors.add(name + ".bias", {shape[0]});
  };
  const auto res = [&](const std::string& name, std::int64_t in, std::int64_t out) {
    layer(name + ".norm1", {in});
    layer(name + ".conv1", {out, in, 3, 3});
    layer(name + ".time_emb_proj", {out, 8});
    layer(name + ".norm2", {out});
    layer(name + ".conv2", {out, out, 3, 3});
    if (in != out) layer(name + ".conv_shortcut", {out, in, 1, 1});
  };
  const auto attention = [&](const std::string& name) {
    layer(name + ".group_norm", {4});
    for (const char* part : {".to_q", ".to_k", ".to_v", ".to_out.0"}) layer(name + part, {4, 4});
  };
  layer("conv_in", {2, 3, 3, 3});
  layer("time_embedding.linear_1", {8, 2});
  layer("time_embedding.linear_2", {8, 8});
  res("down_blocks.0.resnets.0", 2, 2);
  layer("down_blocks.0.downsamplers.0.conv", {2, 2, 3, 3});
  res("down_blocks.1.resnets.0", 2, 4);
  attention("down_blocks.1.attentions.0");
  res("mid_block.resnets.0", 4, 4);
  attention("mid_block.attentions.0");
  res("mid_block.resnets.1", 4, 4);
  res("up_blocks.0.resnets.0", 8, 4);
  attention("up_blocks.0.attentions.0");
  res("up_blocks.0.resnets.1", 6, 4);
  attention("up_blocks.0.attentions.1");
  layer("up_blocks.0.upsamplers.0.conv", {4, 4, 3, 3});
  res("up_blocks.1.resnets.0", 6, 2);
  res("up_blocks.1.resnets.1", 4, 2);
  layer("conv_norm_out", {2});
  layer("conv_out", {3, 2, 3, 3});
}

// The names and shapes are those of the other code base.
TEST(Translate, ToHo) {
  Tensors own;
  fill_network(own);
  const TensorSet ho = to_layout(own.set, {.scheme = NamingScheme::kHo}, small());
  for (const char* name :
       {"temb.dense.0.weight", "temb.dense.1.bias", "conv_in.weight",
        "down.0.block.0.temb_proj.weight", "down.0.downsample.conv.weight",
        "down.1.block.0.nin_shortcut.bias", "down.1.attn.0.norm.weight", "mid.block_1.conv1.weight",
        "mid.attn_1.proj_out.weight", "mid.block_2.norm2.bias", "up.1.block.1.conv2.weight",
        "up.1.upsample.conv.bias", "up.0.block.0.norm1.weight", "norm_out.weight", "conv_out.bias"})
    EXPECT_NE(ho.find(name), nullptr) << name;
  EXPECT_EQ(ho.tensors.size(), own.set.tensors.size());
  EXPECT_EQ(ho.find("up.1.attn.1.q.weight")->shape, (Shape{4, 4, 1, 1}));
  EXPECT_EQ(ho.find("up.1.attn.1.q.bias")->shape, (Shape{4}));
  EXPECT_EQ(values(ho, "up.1.attn.1.q.weight"),
            values(own.set, "up_blocks.0.attentions.1.to_q.weight"));
}

TEST(Translate, ToPytorchDdpm) {
  Tensors own;
  fill_network(own);
  const TensorSet other = to_layout(own.set, {.scheme = NamingScheme::kPytorchDdpm}, small());
  for (const char* name :
       {"head.weight", "time_embedding.timembedding.3.bias", "downblocks.0.block1.0.weight",
        "downblocks.0.block1.2.weight", "downblocks.0.temb_proj.1.bias",
        "downblocks.0.block2.3.bias", "downblocks.1.main.weight", "downblocks.2.shortcut.weight",
        "downblocks.2.attn.proj_q.weight", "middleblocks.0.attn.group_norm.weight",
        "middleblocks.1.block2.0.bias", "upblocks.1.attn.proj.weight", "upblocks.2.main.bias",
        "upblocks.4.block1.2.weight", "tail.0.weight", "tail.2.bias"})
    EXPECT_NE(other.find(name), nullptr) << name;
  // Its sinusoid alternates sine and cosine, which differs from two blocks only for more values.
  ModelConfig wide = small();
  wide.base_width = 4;
  Tensors time;
  time.add("time_embedding.linear_1.weight", {1, 4});
  EXPECT_EQ(values(to_layout(time.set, {.scheme = NamingScheme::kPytorchDdpm}, wide),
                   "time_embedding.timembedding.1.weight"),
            (std::vector<float>{0, 2, 1, 3}));
}

TEST(Translate, ToOpenAi) {
  Tensors own;
  fill_network(own);
  const TensorSet other = to_layout(own.set, {.scheme = NamingScheme::kOpenai}, small());
  for (const char* name :
       {"time_embed.0.weight", "time_embed.2.bias", "input_blocks.0.0.weight",
        "input_blocks.1.0.in_layers.0.weight", "input_blocks.1.0.emb_layers.1.bias",
        "input_blocks.2.0.op.weight", "input_blocks.3.0.skip_connection.weight",
        "input_blocks.3.1.norm.weight", "middle_block.0.out_layers.3.weight",
        "middle_block.1.qkv.weight", "middle_block.2.in_layers.2.bias",
        "output_blocks.0.1.qkv.bias", "output_blocks.1.2.conv.weight",
        "output_blocks.3.0.out_layers.0.weight", "out.0.weight", "out.2.bias"})
    EXPECT_NE(other.find(name), nullptr) << name;
  EXPECT_EQ(other.find("middle_block.1.qkv.weight")->shape, (Shape{12, 4, 1}));
  EXPECT_EQ(other.find("middle_block.1.proj_out.weight")->shape, (Shape{4, 4, 1}));
  EXPECT_EQ(other.tensors.size(), own.set.tensors.size() - 4 * 4) << "6 tensors become 2";
}

// Two heads of width 2. The rows are q, k, v of the first head, then of the second; or q of both
// heads, then k, then v.
TEST(Translate, JointProjectionsKnowTheirHeads) {
  Tensors own;
  for (const char* part : {"q", "k", "v"})
    own.add(std::string("mid_block.attentions.0.to_") + part + ".bias", {4});
  ModelConfig model = small();
  model.attention_head_width = 2;
  EXPECT_EQ(values(to_layout(own.set, {.scheme = NamingScheme::kOpenai}, model),
                   "middle_block.1.qkv.bias"),
            (std::vector<float>{0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11}));
  model.attention_head_width = 0;
  model.attention_heads = 2;
  EXPECT_EQ(values(to_layout(own.set, {.scheme = NamingScheme::kOpenai}, model),
                   "middle_block.1.qkv.bias"),
            (std::vector<float>{0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11}));
  EXPECT_EQ(
      values(to_layout(own.set, {.scheme = NamingScheme::kOpenai, .blocked_heads = true}, model),
             "middle_block.1.qkv.bias"),
      (std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
}

TEST(Translate, ThereAndBackIsTheSame) {
  Tensors own;
  fill_network(own);
  ModelConfig model = small();
  model.attention_heads = 2;
  own.add("class_embedding.weight", {3, 8});
  using enum NamingScheme;
  for (const Layout& layout : {Layout{kHo}, Layout{kPytorchDdpm}, Layout{kOpenai},
                               Layout{kOpenai, true}, Layout{kDiffusers}}) {
    const TensorSet again = from_layout(to_layout(own.set, layout, model), layout, model);
    ASSERT_EQ(again.tensors.size(), own.set.tensors.size()) << name_of(layout.scheme);
    for (const TensorView& view : own.set.tensors) {
      ASSERT_NE(again.find(view.name), nullptr) << name_of(layout.scheme) << " " << view.name;
      EXPECT_EQ(again.find(view.name)->shape, view.shape) << view.name;
      EXPECT_EQ(values(again, view.name), values(own.set, view.name)) << view.name;
    }
  }
}

TEST(Translate, StrangersKeepTheirNames) {
  Tensors foreign;
  foreign.add("out.2.bias", {3});
  foreign.add("extra.weight", {3});
  const TensorSet own = from_layout(foreign.set, {.scheme = NamingScheme::kOpenai}, small());
  EXPECT_NE(own.find("conv_out.bias"), nullptr);
  EXPECT_NE(own.find("extra.weight"), nullptr);
  Tensors odd;
  odd.add("middle_block.1.qkv.weight", {10, 4, 1});
  EXPECT_TRUE(contains(message_of<CheckpointError>([&] {
                         from_layout(odd.set, {.scheme = NamingScheme::kOpenai}, small());
                       }),
                       "middle_block.1.qkv.weight"));
}

TEST(Translate, OldDiffusersNames) {
  Tensors old;
  old.add("mid_block.attentions.0.query.weight", {2, 2, 1, 1});
  old.add("mid_block.attentions.0.proj_attn.bias", {2});
  old.add("something.value.weight", {2});
  const TensorSet now = rename_old_diffusers(old.set);
  EXPECT_EQ(now.find("mid_block.attentions.0.to_q.weight")->shape, (Shape{2, 2}));
  EXPECT_NE(now.find("mid_block.attentions.0.to_out.0.bias"), nullptr);
  EXPECT_NE(now.find("something.value.weight"), nullptr) << "only names in attention change";
}

class InferTest : public ::testing::Test {
 protected:
  // The tensors of fill_network as a file of this scheme has them.
  TensorSet in(NamingScheme scheme) {
    fill_network(own_);
    return to_layout(own_.set, {.scheme = scheme}, small());
  }
  Tensors own_;
};

TEST_F(InferTest, ReadsTheArchitectureOffNamesAndShapes) {
  for (const NamingScheme scheme :
       {NamingScheme::kHo, NamingScheme::kPytorchDdpm, NamingScheme::kOpenai}) {
    own_ = {};
    const InferredModel result = infer_model(in(scheme));
    EXPECT_EQ(result.layout.scheme, scheme);
    const ModelConfig& model = result.config.model;
    EXPECT_EQ(model.base_width, 2);
    EXPECT_EQ(model.width_multipliers, (std::vector<std::int64_t>{1, 2}));
    EXPECT_EQ(model.blocks_per_level, 1);
    EXPECT_EQ(model.attention, (std::vector<bool>{false, true}));
    EXPECT_EQ(model.time_width, 0);
    EXPECT_FALSE(model.time_scale_shift);
    EXPECT_EQ(model.downsample, Downsampling::kConv);
    EXPECT_EQ(result.config.data.channels, 3);
    EXPECT_EQ(model.downsample_padding, scheme == NamingScheme::kHo
                                            ? DownsamplePadding::kAsymmetric
                                            : DownsamplePadding::kSymmetric);
    EXPECT_FALSE(result.assumed.empty());
  }
}

TEST_F(InferTest, SaysWhatIsWrong) {
  TensorSet set = in(NamingScheme::kHo);
  std::erase_if(set.tensors,
                [](const TensorView& view) { return view.name == "up.1.block.0.conv1.weight"; });
  EXPECT_TRUE(
      contains(message_of<CheckpointError>([&] { infer_model(set); }), "have the names of ho"));
  Tensors other;
  other.add("encoder.weight", {3});
  EXPECT_TRUE(
      contains(message_of<CheckpointError>([&] { infer_model(other.set); }), "no known network"));
  EXPECT_TRUE(contains(message_of<CheckpointError>([&] { infer_model(own_.set); }), "config.json"));
}

TEST_F(InferTest, LabelsAndLearnedVariancesOfOpenAi) {
  TensorSet set = in(NamingScheme::kOpenai);
  own_.add("label_emb.weight", {10, 8});
  set.tensors.push_back(*own_.set.find("label_emb.weight"));
  for (TensorView& view : set.tensors)
    if (view.name == "out.2.weight") view.shape[0] = 6;
  const InferredModel result = infer_model(set);
  EXPECT_EQ(result.config.model.class_embedding, ClassEmbeddingKind::kTable);
  EXPECT_EQ(result.config.model.classes, 10);
  EXPECT_TRUE(result.config.model.predicts_variance);
  EXPECT_EQ(result.config.diffusion.variance, Variance::kLearnedRange);
}

TEST_F(InferTest, SaysWhoseOtherNetworksAre) {
  Tensors lucidrains;
  lucidrains.add("model.init_conv.weight", {3});
  lucidrains.add("model.mid_block1.block1.proj.weight", {3});
  EXPECT_TRUE(
      contains(message_of<CheckpointError>([&] { infer_model(lucidrains.set); }), "lucidrains"));
}

TEST(CheckLayout, NamesTheKeysThatDoNotFit) {
  EXPECT_NO_THROW(check_layout(testing::ho_cifar10(), {.scheme = NamingScheme::kHo}));
  const std::string message = message_of<ConfigError>(
      [] { check_layout(testing::ho_cifar10(), {.scheme = NamingScheme::kOpenai}); });
  EXPECT_TRUE(contains(message, "model.time_order = \"sin_cos\" (must be \"cos_sin\")")) << message;
  EXPECT_TRUE(contains(message, "model.norm_epsilon")) << message;
  const ModelConfig labml = testing::labml(64, {1, 2, 2, 4}, {false, false, false, true}, 2);
  EXPECT_NO_THROW(check_layout(labml, {.scheme = NamingScheme::kLabml}));
  EXPECT_THROW(check_layout(labml, {.scheme = NamingScheme::kPytorchDdpm}), ConfigError);
  ModelConfig rescaled = testing::ho_cifar10();
  rescaled.time_scale = 0.25;
  EXPECT_TRUE(contains(
      message_of<ConfigError>([&] { check_layout(rescaled, {.scheme = NamingScheme::kHo}); }),
      "time_scale"));
}

}  // namespace
}  // namespace ddpm
