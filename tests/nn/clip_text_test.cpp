#include "ddpm/nn/clip_text.h"

#include <gtest/gtest.h>

#include <map>

#include "ddpm/interop/clip_text.h"
#include "ddpm/io/weights.h"
#include "ddpm/nn/bound_network.h"
#include "support/fill.h"

namespace ddpm {
namespace {

// The small encoder of the golden numbers: transformers' CLIPTextModel in float64, filled as
// support/fill.h says.
ClipTextConfig small(ClipActivation activation) {
  return {.tokens = 50,
          .positions = 10,
          .width = 32,
          .inner_width = 64,
          .layers = 3,
          .heads = 4,
          .activation = activation,
          .end_token = 49};
}

BoundNetwork<ClipText> filled(const ClipTextConfig& config) {
  BoundNetwork<ClipText> network(ClipText(config), torch::kFloat32, torch::kCPU);
  testing::hash_fill(*network.net());
  return network;
}

torch::Tensor small_ids() {
  return torch::tensor({48, 5, 17, 30, 49, 49, 49, 49, 49, 49, 48, 1, 2, 3, 4, 5, 6, 7, 8, 49},
                       torch::kInt64)
      .view({2, 10});
}

TEST(ClipText, HasTheTensorsOfPublishedEncoders) {
  struct Encoder {
    std::int64_t layers, width, projection;
    std::size_t tensors;
    std::int64_t parameters;
  };
  // ViT-L/14, ViT-H with 23 and 24 layers, bigG with its projection.
  for (const Encoder& encoder : {Encoder{12, 768, 0, 196, 123060480},
                                 {23, 1024, 0, 372, 340387840},
                                 {24, 1024, 0, 388, 352984064},
                                 {32, 1280, 1280, 517, 694659840}}) {
    const ClipText network(ClipTextConfig{.width = encoder.width,
                                          .inner_width = 4 * encoder.width,
                                          .layers = encoder.layers,
                                          .heads = encoder.width / 64,
                                          .projection = encoder.projection});
    EXPECT_EQ(network->named_parameters().size(), encoder.tensors);
    EXPECT_EQ(ParameterLayout(*network).parameter_count(), encoder.parameters);
  }
}

TEST(ClipText, EqualsTransformersWithQuickGelu) {
  const BoundNetwork<ClipText> network = filled(small(ClipActivation::kQuickGelu));
  EXPECT_EQ(network.tensors().size(), 52);
  EXPECT_EQ(network.layout().parameter_count(), 27616);
  const torch::Tensor ids = small_ids();
  const std::vector<torch::Tensor> states = network->states(ids);
  ASSERT_EQ(states.size(), 4);
  testing::expect_numbers(network->normed(states[3]), {0.003005, 0.794070, 0.462885, 0.946986},
                          4e-6);
  testing::expect_numbers(states[2], {0.229646, 0.935868, 0.570291, 0.001642}, 4e-6);
  testing::expect_numbers(network->normed(states[2]), {0.002453, 0.807462, 0.037596, -0.053849},
                          4e-6);
  testing::expect_numbers(network->pooled(ids, states[3]),
                          {-0.003733, 0.835763, -0.474711, 0.946986}, 4e-6);
}

TEST(ClipText, EqualsTransformersWithGelu) {
  const BoundNetwork<ClipText> network = filled(small(ClipActivation::kGelu));
  const torch::Tensor ids = small_ids();
  const torch::Tensor last = network->states(ids).back();
  testing::expect_numbers(network->normed(last), {0.003017, 0.794709, 0.458842, 0.938445}, 4e-6);
  testing::expect_numbers(network->pooled(ids, last), {-0.003699, 0.836823, -0.495164, 0.938445},
                          4e-6);
}

// Files of 2022 do not say the end token: the largest id, of which the first counts, ends a
// sequence.
TEST(ClipText, PoolsTheFirstLargestIdOfOldFiles) {
  ClipTextConfig config = small(ClipActivation::kQuickGelu);
  const BoundNetwork<ClipText> network = filled(config);
  config.end_token = -1;
  const BoundNetwork<ClipText> old = filled(config);
  const torch::Tensor ids = small_ids(), last = network->states(ids).back();
  EXPECT_TRUE(torch::equal(old->pooled(ids, last), network->pooled(ids, last)));
}

// OpenCLIP's MultiheadAttention, written down with its own tensors, against the network that got
// them translated.
TEST(ClipText, ReadsOpenClip) {
  ClipTextConfig config = small(ClipActivation::kGelu);
  config.width = 64;
  config.heads = 1;
  config.projection = 24;
  const BoundNetwork<ClipText> network(ClipText(config), torch::kFloat32, torch::kCPU);
  testing::hash_fill(*network.net());
  std::map<std::string, torch::Tensor> own;
  for (const auto& [name, tensor] : network.tensors()) own[name] = tensor;
  std::vector<NamedTensor> open = {
      {"token_embedding.weight", own["embeddings.token_embedding.weight"]},
      {"positional_embedding", own["embeddings.position_embedding.weight"]},
      {"text_projection", own["text_projection.weight"].t()},
      {"logit_scale", torch::zeros({})},
      {"ln_final.weight", own["final_layer_norm.weight"]},
      {"ln_final.bias", own["final_layer_norm.bias"]}};
  for (int i = 0; i < 3; ++i) {
    const std::string mine = "encoder.layers." + std::to_string(i) + ".",
                      theirs = "transformer.resblocks." + std::to_string(i) + ".";
    for (const std::string parameter : {"weight", "bias"}) {
      const auto projection = [&](const char* name) {
        return own[mine + "self_attn." + name + "_proj." + parameter];
      };
      open.push_back({theirs + "attn.in_proj_" + parameter,
                      torch::cat({projection("q"), projection("k"), projection("v")})});
      open.push_back({theirs + "attn.out_proj." + parameter, projection("out")});
      open.push_back({theirs + "ln_1." + parameter, own[mine + "layer_norm1." + parameter]});
      open.push_back({theirs + "ln_2." + parameter, own[mine + "layer_norm2." + parameter]});
      open.push_back({theirs + "mlp.c_fc." + parameter, own[mine + "mlp.fc1." + parameter]});
      open.push_back({theirs + "mlp.c_proj." + parameter, own[mine + "mlp.fc2." + parameter]});
    }
  }
  const TensorSet file = to_tensor_set(open);
  const ClipTextConfig inferred = infer_clip_text(file);
  EXPECT_EQ(inferred.width, 64);
  EXPECT_EQ(inferred.heads, 1);
  EXPECT_EQ(inferred.layers, 3);
  EXPECT_EQ(inferred.inner_width, 64);
  EXPECT_EQ(inferred.positions, 10);
  EXPECT_EQ(inferred.projection, 24);
  EXPECT_EQ(inferred.activation, ClipActivation::kGelu);
  const BoundNetwork<ClipText> copy(ClipText(inferred), torch::kFloat32, torch::kCPU);
  load_tensors(clip_text_from_scheme(file), copy.tensors());
  for (const auto& [name, tensor] : copy.tensors())
    EXPECT_TRUE(torch::equal(tensor, own[name])) << name;
}

TEST(PromptWeights, KeepTheMean) {
  const torch::Tensor encoding =
      torch::tensor({1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 9.0F}).view({1, 3, 2});
  const torch::Tensor weights = torch::tensor({1.0F, 2.0F, 0.5F}).view({1, 3});
  // Weighted: 1 2 6 8 2.5 4.5, whose mean is 4 as that of the encoding.
  EXPECT_TRUE(torch::allclose(apply_prompt_weights(encoding, weights).flatten(),
                              torch::tensor({1.0F, 2.0F, 6.0F, 8.0F, 2.5F, 4.5F})));
  EXPECT_TRUE(torch::allclose(apply_prompt_weights(encoding, torch::full({1, 3}, 1.3F)), encoding));
}

// A vector that equals a row of the table must act like that row's id.
TEST(ClipText, TakesFurtherVectorsForIdsBeyondItsTable) {
  const BoundNetwork<ClipText> network = filled(small(ClipActivation::kGelu));
  const torch::Tensor ids = small_ids();
  torch::Tensor table;
  for (const NamedTensor& tensor : network.tensors())
    if (tensor.name == "embeddings.token_embedding.weight") table = tensor.tensor;
  const torch::Tensor further = torch::stack({table[17], table[5]}).clone();
  torch::Tensor moved = ids.clone();
  moved.masked_fill_(ids == 17, 50);
  moved.masked_fill_(ids == 5, 51);
  EXPECT_TRUE(torch::equal(network->states(moved, further).back(), network->states(ids).back()));
}

}  // namespace
}  // namespace ddpm
