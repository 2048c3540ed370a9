// The words in diffusers' JSON files and the values that they stand for here. If several words mean
// the same, the first one is written.
#pragma once

#include "ddpm/config/choices.h"
#include "ddpm/formats/word.h"

namespace ddpm {

// act_fn
inline constexpr std::array<Word<Activation>, 5> kActivations = {{{"silu", Activation::kSilu},
                                                                  {"swish", Activation::kSilu},
                                                                  {"relu", Activation::kRelu},
                                                                  {"gelu", Activation::kGelu},
                                                                  {"mish", Activation::kMish}}};

// time_embedding_type
inline constexpr std::array<Word<TimeEmbeddingKind>, 3> kTimeEmbeddings = {
    {{"positional", TimeEmbeddingKind::kSinusoidal},
     {"learned", TimeEmbeddingKind::kLearned},
     {"fourier", TimeEmbeddingKind::kFourier}}};

// class_embed_type, if it is not null
inline constexpr std::array<Word<ClassEmbeddingKind>, 2> kClassEmbeddings = {
    {{"timestep", ClassEmbeddingKind::kTimestep}, {"identity", ClassEmbeddingKind::kIdentity}}};

// downsample_type and upsample_type: whether a residual block resamples
inline constexpr std::array<Word<bool>, 2> kResampling = {{{"conv", false}, {"resnet", true}}};

// resnet_time_scale_shift
inline constexpr std::array<Word<bool>, 2> kTimeScaleShift = {
    {{"default", false}, {"scale_shift", true}}};

// beta_schedule
inline constexpr std::array<Word<BetaSchedule>, 4> kSchedules = {
    {{"linear", BetaSchedule::kLinear},
     {"scaled_linear", BetaSchedule::kQuadratic},
     {"squaredcos_cap_v2", BetaSchedule::kCosine},
     {"sigmoid", BetaSchedule::kSigmoid}}};

// prediction_type
inline constexpr std::array<Word<Prediction>, 3> kPredictions = {
    {{"epsilon", Prediction::kNoise},
     {"v_prediction", Prediction::kVelocity},
     {"sample", Prediction::kImage}}};

// variance_type
inline constexpr std::array<Word<Variance>, 5> kVariances = {
    {{"fixed_small", Variance::kFixedSmall},
     {"fixed_small_log", Variance::kFixedSmall},
     {"fixed_large", Variance::kFixedLarge},
     {"learned", Variance::kLearned},
     {"learned_range", Variance::kLearnedRange}}};

// timestep_spacing
inline constexpr std::array<Word<Spacing>, 3> kSpacings = {{{"leading", Spacing::kLeading},
                                                            {"trailing", Spacing::kTrailing},
                                                            {"linspace", Spacing::kLinspace}}};

}  // namespace ddpm
