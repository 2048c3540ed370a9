#include "ddpm/interop/lora.h"

#include <gtest/gtest.h>

#include <list>

#include "ddpm/base/error.h"
#include "support/stable_diffusion.h"

namespace ddpm {
namespace {

// A file whose tensors have the values 0, 1, 2, ...
class File {
 public:
  File() { set_.path = "style.safetensors"; }

  void add(const std::string& name, const std::vector<std::int64_t>& shape, float first = 0) {
    std::size_t count = 1;
    for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
    std::vector<float>& values = values_.emplace_back(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = first + static_cast<float>(i);
    set_.tensors.push_back({name, DType::kF32, shape, std::as_bytes(std::span(values))});
  }
  const TensorSet& set() const { return set_; }

 private:
  TensorSet set_;
  std::list<std::vector<float>> values_;
};

const std::vector<LoraModule> kModules = {
    {LoraNetwork::kUNet,
     {"down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
      "input_blocks.1.1.transformer_blocks.0.attn1.to_q"}},
    {LoraNetwork::kUNet, {"down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0"}},
    {LoraNetwork::kText, {"text_model.encoder.layers.0.self_attn.q_proj"}},
    {LoraNetwork::kText2, {"text_model.encoder.layers.0.self_attn.q_proj"}},
};

std::string error_of(const File& file) {
  try {
    read_lora(file.set(), kModules);
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return "";
}

// The same module under each of the names that programs give it.
TEST(Lora, IsFoundUnderTheNamesOfAllPrograms) {
  struct Case {
    std::string down, up;
    std::size_t module;
  };
  const std::string attention = "down_blocks.0.attentions.0.transformer_blocks.0.attn1";
  const std::string flat = "down_blocks_0_attentions_0_transformer_blocks_0_attn1";
  for (
      const auto& [down, up, module] : std::vector<Case>{
          {"lora_unet_" + flat + "_to_q.lora_down.weight",
           "lora_unet_" + flat + "_to_q.lora_up.weight", 0},
          {"lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q.lora_down.weight",
           "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q.lora_up.weight", 0},
          {"unet." + attention + ".to_q.lora_A.weight", "unet." + attention + ".to_q.lora_B.weight",
           0},
          {"unet." + attention + ".processor.to_q_lora.down.weight",
           "unet." + attention + ".processor.to_q_lora.up.weight", 0},
          {"unet." + attention + ".processor.to_out_lora.down.weight",
           "unet." + attention + ".processor.to_out_lora.up.weight", 1},
          {"unet." + attention + ".to_out.0.lora.down.weight",
           "unet." + attention + ".to_out.0.lora.up.weight", 1},
          {"lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight",
           "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight", 2},
          {"text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.down.weight",
           "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.up.weight",
           2},
          {"lora_te2_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight",
           "lora_te2_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight", 3}}) {
    File file;
    file.add(up, {6, 2});
    file.add(down, {2, 4});
    const std::vector<LoraUpdate> updates = read_lora(file.set(), kModules);
    ASSERT_EQ(updates.size(), 1) << down;
    EXPECT_EQ(updates[0].module, module) << down;
    EXPECT_EQ(updates[0].down.name, down);
    EXPECT_EQ(updates[0].up.name, up);
    EXPECT_EQ(updates[0].factor, 1) << down;
  }
}

TEST(Lora, IsDividedByItsRank) {
  File file;
  const std::string module = "lora_te_text_model_encoder_layers_0_self_attn_q_proj";
  file.add(module + ".lora_down.weight", {8, 4});
  file.add(module + ".lora_up.weight", {6, 8});
  file.add(module + ".alpha", {}, 4);
  EXPECT_EQ(read_lora(file.set(), kModules)[0].factor, 0.5);
}

TEST(Lora, SaysWhatIsWrong) {
  const std::string module = "lora_te_text_model_encoder_layers_0_self_attn_q_proj";
  File other;
  other.add("lora_unet_input_blocks_4_1_proj_in.lora_down.weight", {2, 4});
  EXPECT_NE(error_of(other).find("another version"), std::string::npos) << error_of(other);
  EXPECT_NE(error_of(other).find("input_blocks_4_1"), std::string::npos);
  File half;
  half.add(module + ".lora_down.weight", {2, 4});
  EXPECT_NE(error_of(half).find("other half"), std::string::npos) << error_of(half);
  File ranks;
  ranks.add(module + ".lora_down.weight", {2, 4});
  ranks.add(module + ".lora_up.weight", {6, 3});
  EXPECT_NE(error_of(ranks).find("do not fit"), std::string::npos) << error_of(ranks);
  File lycoris;
  lycoris.add(module + ".hada_w1_a", {2, 4});
  EXPECT_NE(error_of(lycoris).find("LyCORIS"), std::string::npos) << error_of(lycoris);
  File weights;
  weights.add("model.diffusion_model.out.2.weight", {4, 4});
  EXPECT_NE(error_of(weights).find("not a LoRA"), std::string::npos) << error_of(weights);
  File twice;
  twice.add(module + ".lora_down.weight", {2, 4});
  twice.add("lora_te1_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight", {2, 4});
  EXPECT_NE(error_of(twice).find("same weight"), std::string::npos) << error_of(twice);
  EXPECT_NE(error_of(File()).find("no LoRA"), std::string::npos);
}

// Names as files for versions 1 and XL have them.
TEST(Lora, ModulesOfAUNetHaveTheNamesOfBothSchemes) {
  const std::vector<std::string> names = {
      "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight", "conv_in.bias",
      "mid_block.attentions.0.proj_in.weight", "down_blocks.0.downsamplers.0.conv.weight"};
  ModelConfig model = testing::small_sd1();
  model.attention = {true, true, false};
  const std::vector<LoraModule> modules = unet_lora_modules(model, names);
  ASSERT_EQ(modules.size(), names.size());
  EXPECT_EQ(modules[0].paths,
            (std::vector<std::string>{"down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
                                      "input_blocks.1.1.transformer_blocks.0.attn1.to_q"}));
  EXPECT_TRUE(modules[1].paths.empty());
  EXPECT_EQ(modules[2].paths,
            (std::vector<std::string>{"mid_block.attentions.0.proj_in", "middle_block.1.proj_in"}));
  EXPECT_EQ(modules[3].paths,
            (std::vector<std::string>{"down_blocks.0.downsamplers.0.conv", "input_blocks.2.0.op"}));
  File file;
  file.add("lora_unet_input_blocks_2_0_op.lora_down.weight", {2, 32, 3, 3});
  file.add("lora_unet_input_blocks_2_0_op.lora_up.weight", {32, 2, 1, 1});
  ASSERT_EQ(read_lora(file.set(), modules).size(), 1);
  EXPECT_EQ(read_lora(file.set(), modules).front().module, 3);
}

TEST(Lora, ModulesOfATextEncoderHaveTheirPrefixOrNone) {
  const std::vector<std::string> names = {"encoder.layers.3.mlp.fc1.weight",
                                          "final_layer_norm.bias"};
  const std::vector<LoraModule> modules = text_lora_modules(LoraNetwork::kText2, names);
  EXPECT_EQ(modules[0].paths, (std::vector<std::string>{"text_model.encoder.layers.3.mlp.fc1",
                                                        "encoder.layers.3.mlp.fc1"}));
  EXPECT_TRUE(modules[1].paths.empty());
  File file;
  file.add("lora_te2_text_model_encoder_layers_3_mlp_fc1.lora_down.weight", {1, 4});
  file.add("lora_te2_text_model_encoder_layers_3_mlp_fc1.lora_up.weight", {8, 1});
  EXPECT_EQ(read_lora(file.set(), modules).front().module, 0);
}

}  // namespace
}  // namespace ddpm
