#include "ddpm/config/validate.h"

#include <gtest/gtest.h>

#include "config_error.h"
#include "ddpm/base/error.h"
#include "support/files.h"

namespace ddpm {
namespace {

std::string error_of(const Config& config) {
  return config_error([&] { validate(config); });
}

// The network of labml's experiment. Each width is the one before times the multiplier, and widths
// change in the last block of a level.
ModelConfig labml() {
  ModelConfig model;
  model.base_width = 64;
  model.width_multipliers = {1, 2, 2, 4};
  model.compounding_widths = true;
  model.attention = {false, false, false, true};
  model.attention_kind = AttentionKind::kFused;
  model.width_change = WidthChange::kLastBlock;
  model.final_groups = 8;
  return model;
}

TEST(Validate, AcceptsTheDefaultsAndThePublishedNetworks) {
  EXPECT_NO_THROW(validate(Config{}));
  Config config;
  config.model = labml();
  EXPECT_NO_THROW(validate(config));
}

TEST(Validate, WantsOneEntryALevel) {
  Config config;
  config.model.attention = {true};
  EXPECT_EQ(error_of(config),
            "config: model.width_multipliers = [1, 2, 2, 2] and model.attention = [true]: both "
            "lists need one entry for each level, so they must have the same length");
}

TEST(Validate, ExplicitWidthsNeedOneEntryALevelToo) {
  Config config;
  config.model.widths = {64, 96, 128, 160};
  EXPECT_NO_THROW(validate(config));
  config.model.widths.pop_back();
  EXPECT_NE(error_of(config).find("model.widths = [64, 96, 128]"), std::string::npos);
  config.model.widths = {64, 96, 100, 160};
  EXPECT_NE(error_of(config).find("100 channels of level 2"), std::string::npos);
}

TEST(Validate, HeadsShareTheChannelsEvenly) {
  Config config;
  config.model.attention_heads = 4;
  EXPECT_NO_THROW(validate(config));
  config.model.attention_heads = 3;
  EXPECT_NE(error_of(config).find("model.attention_heads = 3"), std::string::npos);
}

TEST(Validate, HeadsMayDifferBetweenLevels) {
  Config config;
  config.model.attention_heads = std::vector<std::int64_t>{1, 4, 1, 2};
  EXPECT_NO_THROW(validate(config));
  config.model.attention_heads = std::vector<std::int64_t>{1, 4};
  EXPECT_NE(error_of(config).find("model.attention_heads = [1, 4]"), std::string::npos);
  config.model.attention_heads = std::vector<std::int64_t>{3, 4, 3, 2};
  EXPECT_NO_THROW(validate(config)) << "levels 0 and 2 have no attention";
}

TEST(Validate, TransformersNeedAContext) {
  Config config;
  config.model.transformer_depth = 1;
  EXPECT_NE(error_of(config).find("model.context_width = 0"), std::string::npos);
  config.model.context_width = 24;
  EXPECT_NO_THROW(validate(config));
  config.model.middle_attention = MiddleAttention::kWithoutNorm;
  EXPECT_NE(error_of(config).find("a transformer always has a norm"), std::string::npos);
  config.model.middle_attention = MiddleAttention::kWithNorm;
  config.model.cross_only = {true};
  EXPECT_NE(error_of(config).find("model.cross_only = [true]"), std::string::npos);
}

TEST(Validate, NamesGroupsThatDivideEveryWidth) {
  Config config;
  config.model.base_width = 48;
  config.model.final_groups = 16;
  EXPECT_EQ(error_of(config),
            "config: model.groups = 32, model.base_width = 48 and model.width_multipliers = "
            "[1, 2, 2, 2]: groups must divide the 48 channels of the first convolution; set "
            "model.groups=24, or change the widths");
  config.model.groups = 24;
  EXPECT_NO_THROW(validate(config));
}

TEST(Validate, LooksAtTheFirstConvolutionToo) {
  Config config;
  config.model.base_width = 32;
  config.model.width_multipliers = {2, 4};
  config.model.attention = {false, false};
  EXPECT_NO_THROW(validate(config));
  config.model.groups = 64;
  EXPECT_NE(error_of(config).find("groups must divide the 32 channels of the first convolution; "
                                  "set model.groups=32"),
            std::string::npos);
}

TEST(Validate, LooksAtTheLastNormAlone) {
  Config config;
  config.model = labml();
  config.model.final_groups = 24;
  EXPECT_EQ(error_of(config),
            "config: model.final_groups = 24, model.base_width = 64 and model.width_multipliers = "
            "[1, 2, 2, 4]: groups must divide the 64 channels before the output convolution; set "
            "model.final_groups=16");
  // With the change in the first block the output has level 0's width, 3 * 32, not the base width.
  config.model = ModelConfig{};
  config.model.base_width = 32;
  config.model.width_multipliers = {3, 3};
  config.model.attention = {false, false};
  config.model.final_groups = 96;
  EXPECT_NO_THROW(validate(config));
  config.model.width_change = WidthChange::kLastBlock;
  EXPECT_NE(error_of(config).find("the 32 channels before the output"), std::string::npos);
}

TEST(Validate, WantsHeadsThatFillTheAttentionWidths) {
  Config config;
  config.model.attention_head_width = 96;
  EXPECT_EQ(error_of(config),
            "config: model.attention_head_width = 96: the 256 channels of the attention in the "
            "middle are not a multiple of it; set it to 64, or to 0 for one head of all channels");
  config.model.attention_head_width = 256;
  EXPECT_NO_THROW(validate(config));
  // On the way up the last block narrows the attention of level 1 to the 128 channels of level 0.
  config.model.width_change = WidthChange::kLastBlock;
  EXPECT_NE(error_of(config).find("the 128 channels of the attention in the last block of level 1"),
            std::string::npos);
}

TEST(Validate, LimitsWidthsThatExplode) {
  Config config;
  config.model.base_width = 8192;
  config.model.width_multipliers = std::vector<std::int64_t>(10, 64);
  config.model.attention = std::vector<bool>(10, false);
  config.model.compounding_widths = true;  // 2^73 channels
  EXPECT_NE(error_of(config).find("more than 65536 channels"), std::string::npos);
}

TEST(Validate, WantsNoiseThatGrows) {
  Config config;
  config.diffusion.beta_start = 0.5;
  EXPECT_EQ(error_of(config),
            "config: diffusion.beta_start = 0.5 and diffusion.beta_end = 0.02: the noise must not "
            "decrease along the process; swap them");
}

TEST(Validate, WantsBatchesThatSplitEvenly) {
  Config config;
  config.training.batch_size = 10;
  config.training.micro_batches = 4;
  EXPECT_EQ(error_of(config),
            "config: training.micro_batches = 4 and training.batch_size = 10: a batch must split "
            "evenly; set training.micro_batches=2");
  config.training.micro_batches = 20;
  EXPECT_NE(error_of(config).find("training.micro_batches=10"), std::string::npos);
}

TEST(Validate, WantsNoMoreStepsThanTheProcessHas) {
  Config config;
  config.diffusion.timesteps = 50;
  config.sampling.steps = 51;
  EXPECT_EQ(error_of(config),
            "config: sampling.steps = 51 and diffusion.timesteps = 50: sampling cannot have more "
            "steps than the diffusion process; set sampling.steps=50, or 0 for all");
}

TEST(Validate, WantsSigmasOnlyForSamplersThatTakeThem) {
  Config config;
  config.sampling.sigmas = SigmaSpacing::kKarras;
  for (const SamplerKind kind : {SamplerKind::kDdpm, SamplerKind::kDdim, SamplerKind::kIpndm,
                                 SamplerKind::kPlms, SamplerKind::kLcm}) {
    config.sampling.sampler = kind;
    EXPECT_NE(error_of(config).find("set sampling.sigmas=schedule, or choose one of the samplers "
                                    "euler, euler-a, heun"),
              std::string::npos)
        << error_of(config);
  }
  config.sampling.sampler = SamplerKind::kEuler;
  EXPECT_NO_THROW(validate(config));
}

TEST(Validate, ListsEveryContradiction) {
  Config config;
  config.run.directory = "";
  config.training.batch_size = 10;
  config.training.micro_batches = 4;
  EXPECT_EQ(error_of(config),
            "config: these settings do not fit together:\n"
            "  run.directory = \"\": this must name a folder; '.' is the current one\n"
            "  training.micro_batches = 4 and training.batch_size = 10: a batch must split "
            "evenly; set training.micro_batches=2");
}

TEST(Validate, WantsAPlainRunName) {
  for (const char* name : {"", ".", "..", "a/b", "/"}) {
    Config config;
    config.run.name = name;
    EXPECT_NE(error_of(config).find("must be a plain folder name"), std::string::npos) << name;
  }
  Config config;
  config.run.name = "2024-01-01 my run.v2";
  EXPECT_NO_THROW(validate(config));
  config.run.directory = "";
  EXPECT_NE(error_of(config).find("run.directory"), std::string::npos);
}

TEST(Validate, WantsASizeForRandomCrops) {
  Config config;
  config.data.crop = Crop::kRandom;
  EXPECT_NE(error_of(config).find("set data.height or data.width"), std::string::npos);
  config.data.height = 32;
  EXPECT_NO_THROW(validate(config));
}

TEST(Validate, ChecksAGivenImageSize) {
  Config config;
  config.data.width = 28;
  EXPECT_EQ(error_of(config),
            "config: data.height = 0, data.width = 28 and model.width_multipliers = [1, 2, 2, 2]: "
            "images of 28x28 pixels (width x height) do not fit a network of 4 levels, which needs "
            "multiples of 8; set data.height=32 and data.width=32, or use at most 3 levels in "
            "model.width_multipliers and model.attention");
  config.data.width = 32;
  EXPECT_NO_THROW(validate(config));
}

TEST(Validate, NamesWhereTheValuesCameFrom) {
  const std::vector<ConfigOverride> overrides = {{"training.micro_batches", "3", "--set"}};
  EXPECT_EQ(config_error([&] { load_config(std::nullopt, overrides); }),
            "config: training.micro_batches = 3 (--set) and training.batch_size = 128 (default): a "
            "batch must split evenly; set training.micro_batches=2");
}

TEST(ImageSize, MustHalveOnceALevel) {
  ModelConfig model;
  EXPECT_NO_THROW(check_image_size(model, 32, 32));
  EXPECT_NO_THROW(check_image_size(model, 8, 16));
  model.width_multipliers = {1};
  EXPECT_NO_THROW(check_image_size(model, 7, 5));
  EXPECT_THROW(check_image_size(model, 0, 8), ConfigError);
}

TEST(ImageSize, ErrorNamesTheNearestSizesAndFewerLevels) {
  EXPECT_EQ(config_error([] { check_image_size(ModelConfig{}, 5, 218); }),
            "config: images of 218x5 pixels (width x height) do not fit a network of 4 levels, "
            "which needs multiples of 8; set data.height=8 and data.width=216, or use at most 1 "
            "level in model.width_multipliers and model.attention");
}

TEST(DataPath, IsNeededByEverySourceButTheEmbedded) {
  DataConfig data;
  EXPECT_NO_THROW(check_data_path(data));
  data.source = DataSource::kFolder;
  EXPECT_EQ(config_error([&] { check_data_path(data); }),
            "config: data.source = \"folder\" needs data.path, the file or folder with the images; "
            "give it with --set data.path=PATH");
  const testing::TemporaryFolder folder;
  data.path = folder.path().string();
  EXPECT_NO_THROW(check_data_path(data));
  data.path = (folder / "nowhere").string();
  EXPECT_EQ(testing::message_of<DataError>([&] { check_data_path(data); }),
            "data.path: '" + data.path + "' does not exist");
  data.source = DataSource::kEmbedded;
  EXPECT_NE(config_error([&] { check_data_path(data); }).find("have no path"), std::string::npos);
}

TEST(Validate, ClassesNeedAnEmbeddingAndATableNeedsClasses) {
  Config config;
  config.model.classes = 10;
  EXPECT_NE(error_of(config).find("model.class_embedding=table"), std::string::npos);
  config.model.class_embedding = ClassEmbeddingKind::kTable;
  EXPECT_NO_THROW(validate(config));
  config.model.classes = 0;
  EXPECT_NE(error_of(config).find("model.classes = 0"), std::string::npos);
}

TEST(Validate, ALearnedTimeNeedsARowForEveryTimestep) {
  Config config;
  config.model.time_embedding = TimeEmbeddingKind::kLearned;
  config.model.time_table = 999;
  EXPECT_NE(error_of(config).find("model.time_table = 999 and diffusion.timesteps = 1000"),
            std::string::npos);
  config.model.time_table = 1000;
  EXPECT_NO_THROW(validate(config));
}

TEST(Validate, OnlyTheTimeOfASinusoidIsScaled) {
  Config config;
  config.model.time_scale = 0.25;
  EXPECT_NO_THROW(validate(config));
  config.model.time_embedding = TimeEmbeddingKind::kFourier;
  EXPECT_NE(error_of(config).find("model.time_scale = 0.25"), std::string::npos);
}

TEST(Validate, ALearnedVarianceNeedsTheChannels) {
  Config config;
  config.diffusion.variance = Variance::kLearnedRange;
  EXPECT_NE(error_of(config).find("model.predicts_variance = false"), std::string::npos);
  config.model.predicts_variance = true;
  EXPECT_NO_THROW(validate(config));
}

TEST(Validate, NoiseIsNotPredictedWhereThereIsNothingElse) {
  Config config;
  config.diffusion.zero_terminal_snr = true;
  EXPECT_NE(error_of(config).find("diffusion.prediction_type = \"epsilon\""), std::string::npos);
  config.diffusion.prediction_type = Prediction::kVelocity;
  EXPECT_NO_THROW(validate(config));
  config.diffusion.timesteps = 1;
  EXPECT_NE(error_of(config).find("diffusion.timesteps = 1"), std::string::npos);
}

TEST(Validate, ThresholdsAreForImagesAroundZero) {
  Config config;
  config.diffusion.dynamic_threshold = 0.995;
  EXPECT_NO_THROW(validate(config));
  config.data.range = PixelRange::kUnit;
  EXPECT_NE(error_of(config).find("diffusion.dynamic_threshold = 0.995"), std::string::npos);
}

TEST(Validate, GroupsOfTheMiddleDivideItsChannels) {
  Config config;
  config.model.middle_groups = 24;
  EXPECT_NE(error_of(config).find("model.middle_groups = 24"), std::string::npos);
  config.model.middle_groups = 64;
  EXPECT_NO_THROW(validate(config));
}

TEST(CheckTrainable, RefusesWhatCanOnlyBeSampledFrom) {
  const auto error = [](const char* key, const auto& change) {
    Config config;
    change(config.model);
    const std::string message = config_error([&] { check_trainable(config); });
    EXPECT_NE(message.find(key), std::string::npos) << message;
  };
  EXPECT_NO_THROW(check_trainable(Config{}));
  error("diffusion.variance=learned_range", [](ModelConfig& m) { m.predicts_variance = true; });
  error("model.time_embedding",
        [](ModelConfig& m) { m.time_embedding = TimeEmbeddingKind::kFourier; });
  error("model.class_embedding",
        [](ModelConfig& m) { m.class_embedding = ClassEmbeddingKind::kIdentity; });
  error("model.classes", [](ModelConfig& m) { m.class_embedding = ClassEmbeddingKind::kTimestep; });
}

TEST(CheckTrainable, AVarianceIsLearnedBetweenTheTwoBounds) {
  Config config;
  config.model.predicts_variance = true;
  config.diffusion.variance = Variance::kLearnedRange;
  EXPECT_NO_THROW(check_trainable(config));
  config.diffusion.variance = Variance::kLearned;
  EXPECT_NE(config_error([&] { check_trainable(config); }).find("diffusion.variance = \"learned\""),
            std::string::npos);
}

}  // namespace
}  // namespace ddpm
