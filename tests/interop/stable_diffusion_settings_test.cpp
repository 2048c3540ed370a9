// The settings of Stable Diffusion's networks: CompVis's yaml files and diffusers' configs.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/config/loader.h"
#include "ddpm/config/validate.h"
#include "ddpm/interop/compvis.h"
#include "ddpm/interop/diffusers.h"
#include "ddpm/interop/infer.h"
#include "ddpm/interop/names.h"
#include "ddpm/interop/requirements.h"
#include "support/files.h"
#include "support/stable_diffusion.h"

namespace ddpm {
namespace {

using nlohmann::json;
using testing::contains;
using testing::message_of;

// v1-inference.yaml and v2-inference-v.yaml as JSON, without the parts that are no networks.
json compvis_settings(bool second) {
  json unet = {{"image_size", 32},
               {"in_channels", 4},
               {"out_channels", 4},
               {"model_channels", 320},
               {"attention_resolutions", {4, 2, 1}},
               {"num_res_blocks", 2},
               {"channel_mult", {1, 2, 4, 4}},
               {"use_spatial_transformer", true},
               {"transformer_depth", 1},
               {"use_checkpoint", true},
               {"legacy", false}};
  if (second)
    unet.update(
        {{"num_head_channels", 64}, {"use_linear_in_transformer", true}, {"context_dim", 1024}});
  else
    unet.update({{"num_heads", 8}, {"context_dim", 768}});
  json params = {{"linear_start", 0.00085},
                 {"linear_end", 0.0120},
                 {"timesteps", 1000},
                 {"unet_config", {{"params", unet}}}};
  if (second) params["parameterization"] = "v";
  return {{"model", {{"params", params}}}};
}

TEST(StableDiffusion, SettingsOfCompVisDescribeTheNetwork) {
  for (const bool second : {false, true}) {
    const json settings = compvis_settings(second);
    ASSERT_TRUE(is_compvis_config(settings));
    Config config;
    apply_compvis_config(settings, "v1-inference.json", config);
    EXPECT_NO_THROW(validate(config));
    Config expected = config;
    expected.model = second ? testing::sd2() : testing::sd1();
    expected.model.initialization = Initialization::kOpenai;
    EXPECT_EQ(to_json(config), to_json(expected));
    EXPECT_EQ(config.diffusion.schedule, BetaSchedule::kQuadratic);
    EXPECT_EQ(config.diffusion.beta_end, 0.012);
    EXPECT_EQ(config.diffusion.prediction_type,
              second ? Prediction::kVelocity : Prediction::kNoise);
    EXPECT_EQ(config.data.channels, 4);
  }
  EXPECT_FALSE(is_compvis_config(json::parse(R"({"model": {"base_width": 32}})")));
}

TEST(StableDiffusion, SettingsOfCompVisThatAreNotSupportedAreNamed) {
  for (const auto& [key, value] :
       std::vector<std::pair<const char*, json>>{{"num_heads", -1},
                                                 {"use_spatial_transformer", false},
                                                 {"context_dim", {768, 1024}},
                                                 {"num_classes", 1000},
                                                 {"channel_mult", json::array()},
                                                 {"dims", 3}}) {
    json settings = compvis_settings(false);
    settings["model"]["params"]["unet_config"]["params"][key] = value;
    Config config;
    const std::string message =
        message_of<CheckpointError>([&] { apply_compvis_config(settings, "v1.json", config); });
    EXPECT_TRUE(contains(message, key)) << message;
    EXPECT_TRUE(contains(message, "v1.json")) << message;
  }
}

// unet/config.json of the published folders, as diffusers' conversion of the networks writes it.
TEST(StableDiffusion, ConfigsOfDiffusersDescribeTheNetwork) {
  Config config;
  apply_unet_config({{"_class_name", "UNet2DConditionModel"},
                     {"sample_size", 64},
                     {"cross_attention_dim", 768},
                     {"attention_head_dim", 8}},
                    "config.json", config);
  EXPECT_EQ(config.data.height, 64);
  ModelConfig expected = testing::sd1();
  expected.initialization = Initialization::kPytorch;
  Config wanted = config;
  wanted.model = expected;
  EXPECT_EQ(to_json(config), to_json(wanted));

  Config xl;
  apply_unet_config(
      {{"_class_name", "FlaxUNet2DConditionModel"},
       {"block_out_channels", {320, 640, 1280}},
       {"down_block_types", {"DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"}},
       {"up_block_types", {"CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"}},
       {"cross_attention_dim", 2048},
       {"attention_head_dim", {5, 10, 20}},
       {"use_linear_projection", true},
       {"transformer_layers_per_block", {1, 2, 10}},
       {"addition_embed_type", "text_time"},
       {"addition_time_embed_dim", 256},
       {"projection_class_embeddings_input_dim", 2816}},
      "config.json", xl);
  EXPECT_EQ(xl.model.vector_width, 2816);
  EXPECT_EQ(xl.model.vector_time_width, 256);
  EXPECT_EQ(xl.model.transformer_depth,
            PerLevel<std::int64_t>(std::vector<std::int64_t>{1, 2, 10}));
  EXPECT_EQ(xl.model.attention, (std::vector<bool>{false, true, true}));
  EXPECT_TRUE(xl.model.attention_up.empty());
}

TEST(StableDiffusion, ConfigsSurviveTheWayToDiffusersAndBack) {
  ModelConfig cross = testing::small_sd1();
  cross.cross_only = {false, true, false};
  cross.attention_up = {true, false, true};
  cross.blocks_per_level = std::vector<std::int64_t>{1, 2, 1};
  cross.transformer_depth = std::vector<std::int64_t>{1, 2, 1};
  ModelConfig inpainting = testing::small_sd2();
  inpainting.in_channels = 9;
  ModelConfig vector = testing::small_sd1();
  vector.vector_width = 12;
  for (ModelConfig model : {testing::small_sd1(), testing::small_sd2(), testing::small_sdxl(),
                            cross, inpainting, vector}) {
    model.initialization = Initialization::kPytorch;
    Config config, again;
    config.model = model;
    config.data.channels = 4;
    config.data.height = config.data.width = 16;
    validate(config);
    apply_unet_config(json(unet_config(config)), "u", again);
    EXPECT_EQ(to_json(again), to_json(config));
  }
}

TEST(StableDiffusion, ConfigsOfDiffusersThatAreNotSupportedAreRefusedByTheirKey) {
  for (const auto& [key, value] : std::vector<std::pair<const char*, json>>{
           {"act_fn", "gelu"},
           {"addition_embed_type", "image"},
           {"attention_head_dim", 7},
           {"attention_head_dim", {8, 8}},
           {"attention_type", "gated"},
           {"class_embed_type", "simple"},
           {"conv_in_kernel", 5},
           {"cross_attention_dim", nullptr},
           {"cross_attention_dim", {768, 768, 1024, 768}},
           {"dual_cross_attention", true},
           {"down_block_types", {"AttnDownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D"}},
           {"encoder_hid_dim", 512},
           {"mid_block_type", "UNetMidBlock2D"},
           {"norm_num_groups", nullptr},
           {"num_attention_heads", 8},
           {"only_cross_attention", {true, false}},
           {"time_cond_proj_dim", 256},
           {"time_embedding_type", "fourier"},
           {"transformer_layers_per_block", {{1}, {1}, {1}, {1}}}}) {
    Config config;
    const json unet = {{"_class_name", "UNet2DConditionModel"}, {key, value}};
    EXPECT_TRUE(contains(
        message_of<CheckpointError>([&] { apply_unet_config(unet, "config.json", config); }), key))
        << key;
  }
}

TEST(StableDiffusion, NetworksThatDiffusersLacksAreRefusedByTheirKeys) {
  Config config;
  config.model = testing::small_sd1();
  config.data.channels = 4;
  config.model.transformer_depth = std::vector<std::int64_t>{1, 0, 1};
  EXPECT_TRUE(contains(message_of<ConfigError>([&] { unet_config(config); }),
                       "UNet2DConditionModel of diffusers cannot represent this network:\n  "
                       "model.transformer_depth = [1, 0, 1]"));
}

}  // namespace
}  // namespace ddpm
