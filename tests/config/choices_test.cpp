#include "ddpm/config/choices.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "ddpm/base/format.h"
#include "ddpm/config/fields.h"

namespace ddpm {
namespace {

// The names are in users' config and weight files, so they must not change.
template <Choice E>
void expect_names(const std::vector<std::pair<E, std::string>>& expected) {
  ASSERT_EQ(kChoices<E>.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto& [value, name] = expected[i];
    EXPECT_EQ(kChoices<E>[i], value) << name;
    EXPECT_EQ(name_of(value), name);
    EXPECT_EQ(parse_choice<E>(name), value) << name;
    EXPECT_EQ(format_text("{}", value), name);
    for (const std::string& other : {name + " ", " " + name, name + "_", "K" + name})
      EXPECT_EQ(parse_choice<E>(other), std::nullopt) << other;
  }
  EXPECT_EQ(parse_choice<E>(""), std::nullopt);
}

TEST(Choices, OfTheRun) {
  using enum Precision;
  expect_names<Precision>({{kAuto, "auto"}, {kFp32, "fp32"}, {kTf32, "tf32"}, {kBf16, "bf16"}});
}

TEST(Choices, OfTheNetworksBlocks) {
  expect_names<AttentionKind>({{AttentionKind::kQkv, "qkv"}, {AttentionKind::kFused, "fused"}});
  expect_names<MiddleAttention>({{MiddleAttention::kWithNorm, "with_norm"},
                                 {MiddleAttention::kWithoutNorm, "without_norm"},
                                 {MiddleAttention::kNone, "none"}});
  expect_names<Downsampling>({{Downsampling::kConv, "conv"}, {Downsampling::kResnet, "resnet"}});
  expect_names<DownsamplePadding>({{DownsamplePadding::kAsymmetric, "asymmetric"},
                                   {DownsamplePadding::kSymmetric, "symmetric"}});
  expect_names<Upsampling>({{Upsampling::kNearest, "nearest"},
                            {Upsampling::kTransposed, "transposed"},
                            {Upsampling::kResnet, "resnet"}});
  expect_names<WidthChange>(
      {{WidthChange::kFirstBlock, "first_block"}, {WidthChange::kLastBlock, "last_block"}});
  expect_names<Activation>({{Activation::kSilu, "silu"},
                            {Activation::kRelu, "relu"},
                            {Activation::kGelu, "gelu"},
                            {Activation::kMish, "mish"}});
}

TEST(Choices, OfTheNetworksEmbeddings) {
  expect_names<TimeEmbeddingKind>({{TimeEmbeddingKind::kSinusoidal, "sinusoidal"},
                                   {TimeEmbeddingKind::kLearned, "learned"},
                                   {TimeEmbeddingKind::kFourier, "fourier"}});
  expect_names<TimeFrequencies>(
      {{TimeFrequencies::kHalfMinusOne, "half_minus_one"}, {TimeFrequencies::kHalf, "half"}});
  expect_names<TimeOrder>({{TimeOrder::kSinCos, "sin_cos"}, {TimeOrder::kCosSin, "cos_sin"}});
  expect_names<ClassEmbeddingKind>({{ClassEmbeddingKind::kNone, "none"},
                                    {ClassEmbeddingKind::kTable, "table"},
                                    {ClassEmbeddingKind::kTimestep, "timestep"},
                                    {ClassEmbeddingKind::kIdentity, "identity"}});
}

TEST(Choices, OfTheNetworksWeights) {
  expect_names<Initialization>({{Initialization::kHo, "ho"},
                                {Initialization::kPytorch, "pytorch"},
                                {Initialization::kOpenai, "openai"}});
  expect_names<NamingScheme>({{NamingScheme::kDiffusers, "diffusers"},
                              {NamingScheme::kLabml, "labml"},
                              {NamingScheme::kHo, "ho"},
                              {NamingScheme::kPytorchDdpm, "pytorch_ddpm"},
                              {NamingScheme::kOpenai, "openai"}});
  expect_names<QkvOrder>({{QkvOrder::kByHead, "by_head"}, {QkvOrder::kBlocked, "blocked"}});
}

TEST(Choices, OfTheProcess) {
  expect_names<BetaSchedule>({{BetaSchedule::kLinear, "linear"},
                              {BetaSchedule::kCosine, "cosine"},
                              {BetaSchedule::kQuadratic, "quadratic"},
                              {BetaSchedule::kSigmoid, "sigmoid"}});
  expect_names<Variance>({{Variance::kFixedLarge, "fixed_large"},
                          {Variance::kFixedSmall, "fixed_small"},
                          {Variance::kLearnedRange, "learned_range"},
                          {Variance::kLearned, "learned"}});
  expect_names<Prediction>({{Prediction::kNoise, "epsilon"},
                            {Prediction::kVelocity, "v_prediction"},
                            {Prediction::kImage, "sample"}});
}

TEST(Choices, OfTheData) {
  expect_names<DataSource>({{DataSource::kEmbedded, "embedded"},
                            {DataSource::kFolder, "folder"},
                            {DataSource::kZip, "zip"},
                            {DataSource::kTar, "tar"},
                            {DataSource::kNpz, "npz"},
                            {DataSource::kIdx, "idx"},
                            {DataSource::kCifar10, "cifar10"},
                            {DataSource::kCifar100, "cifar100"},
                            {DataSource::kLatents, "latents"}});
  expect_names<LabelSource>({{LabelSource::kAuto, "auto"},
                             {LabelSource::kFolder, "folder"},
                             {LabelSource::kPrefix, "prefix"},
                             {LabelSource::kFile, "file"},
                             {LabelSource::kNone, "none"}});
  expect_names<Orientation>({{Orientation::kExif, "exif"}, {Orientation::kStored, "stored"}});
  expect_names<Crop>({{Crop::kCenter, "center"}, {Crop::kRandom, "random"}});
  expect_names<PixelRange>({{PixelRange::kSymmetric, "symmetric"}, {PixelRange::kUnit, "unit"}});
  expect_names<OnBadImage>({{OnBadImage::kError, "error"}, {OnBadImage::kSkip, "skip"}});
}

TEST(Choices, OfTraining) {
  expect_names<Optimizer>({{Optimizer::kAdam, "adam"}, {Optimizer::kAdamw, "adamw"}});
  expect_names<LearningRateSchedule>(
      {{LearningRateSchedule::kConstant, "constant"}, {LearningRateSchedule::kCosine, "cosine"}});
  expect_names<Loss>({{Loss::kMse, "mse"}, {Loss::kL1, "l1"}, {Loss::kHuber, "huber"}});
  expect_names<LossWeight>({{LossWeight::kUniform, "uniform"},
                            {LossWeight::kMinSnr, "min_snr"},
                            {LossWeight::kP2, "p2"},
                            {LossWeight::kEdm, "edm"}});
  expect_names<TimestepSampling>(
      {{TimestepSampling::kUniform, "uniform"}, {TimestepSampling::kLogNormal, "log_normal"}});
  expect_names<OnNonfinite>({{OnNonfinite::kStop, "stop"}, {OnNonfinite::kSkip, "skip"}});
}

TEST(Choices, OfSampling) {
  expect_names<SamplerKind>({{SamplerKind::kDdpm, "ddpm"},
                             {SamplerKind::kDdim, "ddim"},
                             {SamplerKind::kEuler, "euler"},
                             {SamplerKind::kEulerAncestral, "euler-a"},
                             {SamplerKind::kHeun, "heun"},
                             {SamplerKind::kDpm2, "dpm2"},
                             {SamplerKind::kDpm2Ancestral, "dpm2-a"},
                             {SamplerKind::kLms, "lms"},
                             {SamplerKind::kIpndm, "ipndm"},
                             {SamplerKind::kPlms, "plms"},
                             {SamplerKind::kDeis, "deis"},
                             {SamplerKind::kDpmSolver2m, "dpm++2m"},
                             {SamplerKind::kDpmSolver3m, "dpm++3m"},
                             {SamplerKind::kDpmSolver2mSde, "dpm++2m-sde"},
                             {SamplerKind::kDpmSolver3mSde, "dpm++3m-sde"},
                             {SamplerKind::kDpmSolverSde, "dpm++sde"},
                             {SamplerKind::kUnipc, "unipc"},
                             {SamplerKind::kLcm, "lcm"}});
  expect_names<SigmaSpacing>({{SigmaSpacing::kSchedule, "schedule"},
                              {SigmaSpacing::kKarras, "karras"},
                              {SigmaSpacing::kExponential, "exponential"}});
  expect_names<Spacing>({{Spacing::kLinspace, "linspace"},
                         {Spacing::kLeading, "leading"},
                         {Spacing::kTrailing, "trailing"},
                         {Spacing::kQuadratic, "quadratic"},
                         {Spacing::kLogsnr, "logsnr"}});
  expect_names<SamplingVariance>({{SamplingVariance::kAuto, "auto"},
                                  {SamplingVariance::kFixedSmall, "fixed_small"},
                                  {SamplingVariance::kFixedLarge, "fixed_large"}});
  expect_names<WeightSet>({{WeightSet::kEma, "ema"}, {WeightSet::kRaw, "raw"}});
}

// The other schemes serve only to read and write files of other programs.
TEST(Choices, OfNamesAreTwoOfTheSchemes) {
  const Field& names = *find_field("model.names");
  EXPECT_EQ(names.limits.choices, (std::vector<std::string>{"diffusers", "labml"}));
  EXPECT_FALSE(allows(names, std::string("ho")));
  EXPECT_EQ(find_field("model.qkv_order")->limits.choices,
            (std::vector<std::string>{"by_head", "blocked"}));
}

}  // namespace
}  // namespace ddpm
