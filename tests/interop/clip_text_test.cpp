#include "ddpm/interop/clip_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"

namespace ddpm {
namespace {

TensorSet set_of(const std::vector<std::string>& names) {
  TensorSet set;
  for (const std::string& name : names) set.tensors.push_back({name, DType::kF32, {4, 4}, {}});
  return set;
}

std::vector<std::string> names_of(const TensorSet& set) {
  std::vector<std::string> names;
  for (const TensorView& view : set.tensors) names.push_back(view.name);
  return names;
}

// Files of transformers before 5.6 have "text_model.", newer ones have not, and old ones hold
// position ids.
TEST(ClipTextNames, OfTransformersMayHaveAPrefix) {
  const std::vector<std::string> expected = {"encoder.layers.0.mlp.fc1.weight",
                                             "text_projection.weight"};
  EXPECT_EQ(names_of(clip_text_from_scheme(
                set_of({"text_model.encoder.layers.0.mlp.fc1.weight",
                        "text_model.embeddings.position_ids", "text_projection.weight"}))),
            expected);
  EXPECT_EQ(names_of(clip_text_from_scheme(set_of(expected))), expected);
}

TEST(ClipTextNames, OfOpenClipWithOtherShapesAreRefused) {
  EXPECT_THROW(clip_text_from_scheme(set_of({"transformer.resblocks.0.attn.in_proj_weight"})),
               CheckpointError);
  EXPECT_THROW(infer_clip_text(set_of({"conv_in.weight"})), CheckpointError);
}

TEST(ClipTextConfig, HasTheDefaultsOfTransformers) {
  const ClipTextConfig config = read_clip_text_config(nlohmann::json::object(), "c");
  EXPECT_EQ(config.width, 512);
  EXPECT_EQ(config.inner_width, 2048);
  EXPECT_EQ(config.heads, 8);
  EXPECT_EQ(config.activation, ClipActivation::kQuickGelu);
  EXPECT_EQ(config.projection, 0);
  EXPECT_EQ(config.end_token, 49407);
  const ClipTextConfig published =
      read_clip_text_config({{"architectures", {"CLIPTextModelWithProjection"}},
                             {"hidden_act", "gelu"},
                             {"hidden_size", 1280},
                             {"num_attention_heads", 20},
                             {"projection_dim", 1280},
                             {"eos_token_id", 2},
                             {"model_type", "clip_text_model"}},
                            "c");
  EXPECT_EQ(published.projection, 1280);
  EXPECT_EQ(published.end_token, -1);
  EXPECT_EQ(published.activation, ClipActivation::kGelu);
}

TEST(ClipTextConfig, NamesTheKeyThatIsWrong) {
  const auto error_with = [](const char* key, const nlohmann::json& value) -> std::string {
    try {
      read_clip_text_config({{key, value}}, "c.json");
    } catch (const CheckpointError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(error_with("model_type", "t5").find("model_type"), std::string::npos);
  EXPECT_NE(error_with("hidden_act", "relu").find("quick_gelu"), std::string::npos);
  EXPECT_NE(error_with("num_attention_heads", 7).find("7 heads"), std::string::npos);
  EXPECT_NE(error_with("num_hidden_layers", 0).find("num_hidden_layers"), std::string::npos);
}

}  // namespace
}  // namespace ddpm
