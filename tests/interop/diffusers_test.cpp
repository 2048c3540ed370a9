#include "ddpm/interop/diffusers.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "ddpm/config/loader.h"
#include "ddpm/config/validate.h"
#include "support/files.h"
#include "support/models.h"

namespace ddpm {
namespace {

using nlohmann::json;
using testing::contains;
using testing::message_of;

// unet/config.json of google/ddpm-cifar10-32 as published. diffusers 0.0.4 wrote it, so some of
// today's keys are absent.
const char* const kCifar10 = R"({
  "_class_name": "UNet2DModel", "_diffusers_version": "0.0.4", "act_fn": "silu",
  "attention_head_dim": null, "block_out_channels": [128, 256, 256, 256], "center_input_sample": false,
  "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
  "downsample_padding": 0, "flip_sin_to_cos": false, "freq_shift": 1, "in_channels": 3,
  "layers_per_block": 2, "mid_block_scale_factor": 1, "norm_eps": 1e-06, "norm_num_groups": 32,
  "out_channels": 3, "sample_size": 32, "time_embedding_type": "positional",
  "up_block_types": ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"]})";

Config read_unet(const json& unet) {
  Config config;
  apply_unet_config(unet, "config.json", config);
  return config;
}

Config read_scheduler(const json& scheduler) {
  Config config;
  apply_scheduler_config(scheduler, "scheduler_config.json", config);
  return config;
}

// kCifar10 with one key changed.
std::string unet_error(const char* key, const json& value) {
  json unet = json::parse(kCifar10);
  unet[key] = value;
  return message_of<CheckpointError>([&] { read_unet(unet); });
}

TEST(Diffusers, GooglesCifar10NetworkIsHos) {
  const Config config = read_unet(json::parse(kCifar10));
  Config expected;
  expected.model = testing::ho_cifar10();
  expected.model.dropout = 0;                                // the file does not have it
  expected.model.initialization = Initialization::kPytorch;  // diffusers' initialisation
  expected.data.height = expected.data.width = 32;
  expected.data.channels = 3;
  EXPECT_EQ(to_json(config), to_json(expected));
}

// The expected values are the defaults in the signature of UNet2DModel.
TEST(Diffusers, AbsentKeysAreTheClasssDefaults) {
  const ModelConfig model = read_unet(json::object()).model;
  EXPECT_EQ(model.base_width, 224);
  EXPECT_EQ(model.width_multipliers, (std::vector<std::int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(model.attention, (std::vector<bool>{false, true, true, true}));
  EXPECT_EQ(model.attention_head_width, 8);
  EXPECT_EQ(model.norm_epsilon, 1e-5);
  EXPECT_EQ(model.downsample_padding, DownsamplePadding::kSymmetric);
  EXPECT_EQ(model.time_order, TimeOrder::kCosSin);
  EXPECT_EQ(model.time_frequencies, TimeFrequencies::kHalf);
  EXPECT_EQ(model.dropout, 0);
  EXPECT_EQ(read_unet(json::object()).data.height, 0);
}

TEST(Diffusers, WidthsNeedNotBeMultiples) {
  json unet = json::parse(kCifar10);
  unet["block_out_channels"] = {64, 96, 128, 160};
  const ModelConfig model = read_unet(unet).model;
  EXPECT_EQ(model.widths, (std::vector<std::int64_t>{64, 96, 128, 160}));
  EXPECT_EQ(model.base_width, 64);
}

TEST(Diffusers, ResamplingByResidualBlocks) {
  json unet = json::parse(kCifar10);
  unet["down_block_types"] = {"ResnetDownsampleBlock2D", "AttnDownBlock2D",
                              "ResnetDownsampleBlock2D", "DownBlock2D"};
  unet["up_block_types"] = {"ResnetUpsampleBlock2D", "ResnetUpsampleBlock2D", "AttnUpBlock2D",
                            "UpBlock2D"};
  unet["downsample_type"] = unet["upsample_type"] = "resnet";
  EXPECT_EQ(read_unet(unet).model.downsample, Downsampling::kResnet);
  EXPECT_EQ(read_unet(unet).model.upsample, Upsampling::kResnet);
  // Then only the level with attention resamples by a plain convolution.
  unet["downsample_type"] = "conv";
  EXPECT_EQ(read_unet(unet).model.downsample,
            PerLevel<Downsampling>(std::vector<Downsampling>{
                Downsampling::kResnet, Downsampling::kConv, Downsampling::kResnet}));
}

// The two ways of a network can differ, and so can its levels. Writing gives back what was read.
TEST(Diffusers, LevelsAndWaysMayDiffer) {
  json unet = json::parse(kCifar10);
  unet["down_block_types"] = {"AttnDownBlock2D", "ResnetDownsampleBlock2D", "DownBlock2D",
                              "AttnDownBlock2D"};
  unet["up_block_types"] = {"UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D", "UpBlock2D"};
  unet["upsample_type"] = "resnet";
  unet["out_channels"] = 5;
  const Config config = read_unet(unet);
  const ModelConfig& model = config.model;
  EXPECT_EQ(model.attention, (std::vector<bool>{true, false, false, true}));
  EXPECT_EQ(model.attention_up, (std::vector<bool>{false, false, true, false}));
  EXPECT_EQ(model.downsample,
            PerLevel<Downsampling>(std::vector<Downsampling>{
                Downsampling::kConv, Downsampling::kResnet, Downsampling::kConv}));
  EXPECT_EQ(model.upsample, PerLevel<Upsampling>(std::vector<Upsampling>{
                                Upsampling::kResnet, Upsampling::kResnet, Upsampling::kNearest}));
  EXPECT_EQ(model.out_channels, 5);
  EXPECT_EQ(to_json(read_unet(json(unet_config(config)))), to_json(config));
}

TEST(Diffusers, TheMiddlesAttentionLosesItsNormWithScaleShift) {
  json unet = json::parse(kCifar10);
  EXPECT_EQ(read_unet(unet).model.middle_attention, MiddleAttention::kWithNorm);
  unet["resnet_time_scale_shift"] = "scale_shift";
  EXPECT_EQ(read_unet(unet).model.middle_attention, MiddleAttention::kWithoutNorm);
  unet["attn_norm_num_groups"] = 32;
  EXPECT_EQ(read_unet(unet).model.middle_attention, MiddleAttention::kWithNorm);
  unet["add_attention"] = false;
  EXPECT_EQ(read_unet(unet).model.middle_attention, MiddleAttention::kNone);
}

TEST(Diffusers, WhatCannotBeRepresentedIsRefusedByItsKey) {
  const std::vector<std::pair<const char*, json>> cases = {
      {"_class_name", "UNet1DModel"},
      {"act_fn", "elu"},
      {"attention_head_dim", 24},
      {"attention_head_dim", 0},
      {"attn_norm_num_groups", 0},
      {"block_out_channels", json::array()},
      {"block_out_channels", {128, 256, 256, 1e30}},
      {"class_embed_type", "projection"},
      {"down_block_types", {"DownBlock2D", "SkipDownBlock2D", "DownBlock2D", "DownBlock2D"}},
      {"down_block_types", {"DownBlock2D"}},
      {"down_block_types", "DownBlock2D"},
      {"downsample_padding", 2},
      {"downsample_type", nullptr},
      {"dropout", 1},
      {"freq_shift", 2},
      {"in_channels", 2},
      {"layers_per_block", {2, 2, 2, 2}},
      {"layers_per_block", 1000},
      {"mid_block_scale_factor", 0},
      {"mid_block_type", "UNetMidBlock2DCrossAttn"},
      {"norm_eps", 0},
      {"norm_num_groups", nullptr},
      {"num_class_embeds", 0},
      {"out_channels", 0},
      {"resnet_time_scale_shift", "ada_group"},
      {"sample_size", {32}},
      {"sample_size", -1},
      {"time_embedding_type", "rotary"},
      {"time_embedding_type", "learned"},
      {"up_block_types", {"SkipUpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"}}};
  for (const auto& [key, value] : cases) {
    const std::string message = unet_error(key, value);
    const bool lacks_rows = value == "learned";
    EXPECT_TRUE(contains(message,
                         std::string("config.json: ") + (lacks_rows ? "num_train_timesteps" : key)))
        << message;
  }
}

TEST(Diffusers, UnknownKeysAreIgnored) {
  EXPECT_EQ(message_of<std::exception>([] {
              json unet = json::parse(kCifar10);
              unet["of_the_future"] = 3;
              read_unet(unet);
              throw std::runtime_error("read");
            }),
            "read");
}

// A config that is written and read again describes the same network.
TEST(Diffusers, ConfigsSurviveTheWayThereAndBack) {
  for (int variant = 0; variant < 7; ++variant) {
    Config config = read_unet(json::parse(kCifar10));
    config.diffusion = read_scheduler(json::object()).diffusion;
    config.sampling.spacing = Spacing::kLeading;
    config.sampling.use_clipped_model_output = false;
    ModelConfig& model = config.model;
    if (variant == 1) {
      model.time_scale_shift = true;
      model.middle_attention = MiddleAttention::kWithoutNorm;
      model.downsample = Downsampling::kResnet;
      model.upsample = Upsampling::kResnet;
      model.time_width = 100;
      model.dropout = 0.3;
      config.data.width = 64;
    } else if (variant == 2) {
      model.time_scale_shift = true;
      model.middle_scale = 2;
      model.center_input = true;
      model.attention_head_width = 64;
      config.diffusion.schedule = BetaSchedule::kCosine;
    } else if (variant == 5) {
      model.activation = Activation::kMish;
      model.class_embedding = ClassEmbeddingKind::kTable;
      model.classes = 10;
      model.time_embedding = TimeEmbeddingKind::kLearned;
      model.time_table = 1000;
      model.middle_groups = 16;
    } else if (variant == 6) {
      model.class_embedding = ClassEmbeddingKind::kTimestep;
      model.time_embedding = TimeEmbeddingKind::kFourier;
      model.middle = false;
      config.sampling.sampler = SamplerKind::kDdim;
      config.diffusion.variance = Variance::kFixedSmall;
    } else if (variant == 4) {
      model.predicts_variance = true;
      config.diffusion.variance = Variance::kLearnedRange;
    } else if (variant == 3) {
      model.middle_attention = MiddleAttention::kNone;
      model.widths = {128, 96, 64, 32};
      model.width_multipliers = {1, 1, 1, 1};
      config.diffusion.variance = Variance::kFixedLarge;
      config.diffusion.prediction_type = Prediction::kVelocity;
      config.diffusion.zero_terminal_snr = true;
      config.diffusion.dynamic_threshold = 0.9;
    }
    validate(config);
    Config again;
    apply_unet_config(json(unet_config(config)), "u", again);
    apply_scheduler_config(json(scheduler_config(config)), "s", again);
    EXPECT_EQ(to_json(again), to_json(config)) << variant;
  }
}

TEST(Diffusers, NetworksThatItLacksAreRefusedByTheirKeys) {
  Config config;
  config.model = testing::labml(64, {1, 2, 2, 4}, {false, false, false, true}, 2);
  config.data.channels = 3;
  const std::string message = message_of<ConfigError>([&] { unet_config(config); });
  for (const char* key : {"model.attention_kind = \"fused\"", "model.width_change",
                          "model.upsample", "model.final_groups = 8"})
    EXPECT_TRUE(contains(message, key)) << message;
  config.data.range = PixelRange::kUnit;
  EXPECT_TRUE(contains(message_of<ConfigError>([&] { scheduler_config(config); }), "data.range"));
  config.model = testing::ho_cifar10();
  config.model.time_scale = 0.25;
  EXPECT_TRUE(contains(message_of<ConfigError>([&] { unet_config(config); }), "model.time_scale"));
  config.model.time_scale = 1;
  config.model.attention_heads = 4;
  EXPECT_EQ(unet_config(config)["attention_head_dim"], 64) << "every attention has 256 channels";
  config.model.attention[0] = true;
  EXPECT_TRUE(
      contains(message_of<ConfigError>([&] { unet_config(config); }), "model.attention_heads"));
}

}  // namespace
}  // namespace ddpm
