// The choices of every config key that has a few possible values, with their names in JSON
// (base/choice.h). The help of each key (src/config/fields.cpp, docs/config.md) says what a value
// means; where that needs a formula, it is here.
#pragma once

#include "ddpm/base/choice.h"

namespace ddpm {

// --- run
// -------------------------------------------------------------------------------------------

// kAuto: that of the device (config/precision.h).
enum class Precision { kAuto, kFp32, kTf32, kBf16 };
constexpr auto choice_names(Precision) { return name_list("auto", "fp32", "tf32", "bf16"); }

// --- model
// -----------------------------------------------------------------------------------------

enum class AttentionKind { kQkv, kFused };
constexpr auto choice_names(AttentionKind) { return name_list("qkv", "fused"); }

enum class MiddleAttention { kWithNorm, kWithoutNorm, kNone };
constexpr auto choice_names(MiddleAttention) {
  return name_list("with_norm", "without_norm", "none");
}

enum class Downsampling { kConv, kResnet };
constexpr auto choice_names(Downsampling) { return name_list("conv", "resnet"); }

// Where zeros are added around the input of a 3x3 convolution of stride 2: one column on the right
// and one row at the bottom (TensorFlow's SAME for even sizes), or one pixel on every side. The
// first sees a window that lies one pixel further right and down.
enum class DownsamplePadding { kAsymmetric, kSymmetric };
constexpr auto choice_names(DownsamplePadding) { return name_list("asymmetric", "symmetric"); }

enum class Upsampling { kNearest, kTransposed, kResnet };
constexpr auto choice_names(Upsampling) { return name_list("nearest", "transposed", "resnet"); }

enum class WidthChange { kFirstBlock, kLastBlock };
constexpr auto choice_names(WidthChange) { return name_list("first_block", "last_block"); }

enum class TimeEmbeddingKind { kSinusoidal, kLearned, kFourier };
constexpr auto choice_names(TimeEmbeddingKind) {
  return name_list("sinusoidal", "learned", "fourier");
}

enum class TimeFrequencies { kHalfMinusOne, kHalf };
constexpr auto choice_names(TimeFrequencies) { return name_list("half_minus_one", "half"); }

enum class TimeOrder { kSinCos, kCosSin };
constexpr auto choice_names(TimeOrder) { return name_list("sin_cos", "cos_sin"); }

enum class ClassEmbeddingKind { kNone, kTable, kTimestep, kIdentity };
constexpr auto choice_names(ClassEmbeddingKind) {
  return name_list("none", "table", "timestep", "identity");
}

// x sigmoid(x) (Swish), max(x, 0), x Phi(x) with the exact distribution function, or
// x tanh(softplus(x)).
enum class Activation { kSilu, kRelu, kGelu, kMish };
constexpr auto choice_names(Activation) { return name_list("silu", "relu", "gelu", "mish"); }

enum class Initialization { kHo, kPytorch, kOpenai };
constexpr auto choice_names(Initialization) { return name_list("ho", "pytorch", "openai"); }

// The program whose tensor names a file uses (interop/names.h).
enum class NamingScheme { kDiffusers, kLabml, kHo, kPytorchDdpm, kOpenai };
constexpr auto choice_names(NamingScheme) {
  return name_list("diffusers", "labml", "ho", "pytorch_ddpm", "openai");
}

enum class QkvOrder { kByHead, kBlocked };
constexpr auto choice_names(QkvOrder) { return name_list("by_head", "blocked"); }

// --- diffusion
// -------------------------------------------------------------------------------------

enum class BetaSchedule { kLinear, kCosine, kQuadratic, kSigmoid };
constexpr auto choice_names(BetaSchedule) {
  return name_list("linear", "cosine", "quadratic", "sigmoid");
}

// The variance of the reverse process. The network predicts the learned ones, see
// ops::VarianceChannels.
enum class Variance { kFixedLarge, kFixedSmall, kLearnedRange, kLearned };
constexpr auto choice_names(Variance) {
  return name_list("fixed_large", "fixed_small", "learned_range", "learned");
}

// What a network predicts from x = signal x0 + sigma e: the noise e; the velocity v = signal e -
// sigma x0 (Salimans and Ho, "Progressive Distillation", appendix D); or the image x0.
enum class Prediction { kNoise, kVelocity, kImage };
constexpr auto choice_names(Prediction) { return name_list("epsilon", "v_prediction", "sample"); }

// --- data
// ------------------------------------------------------------------------------------------

enum class DataSource { kEmbedded, kFolder, kZip, kTar, kNpz, kIdx, kCifar10, kCifar100, kLatents };
constexpr auto choice_names(DataSource) {
  return name_list("embedded", "folder", "zip", "tar", "npz", "idx", "cifar10", "cifar100",
                   "latents");
}

// Where the class of an image file comes from. kFile: dataset.json (EDM) or NAME.cls beside NAME.jpg
// (WebDataset); kAuto: these files if there are any, else the sub-folders.
enum class LabelSource { kAuto, kFolder, kPrefix, kFile, kNone };
constexpr auto choice_names(LabelSource) {
  return name_list("auto", "folder", "prefix", "file", "none");
}

// kExif: pictures stand upright as viewers show them; kStored: rows as they lie in the file.
enum class Orientation { kExif, kStored };
constexpr auto choice_names(Orientation) { return name_list("exif", "stored"); }

enum class Crop { kCenter, kRandom };
constexpr auto choice_names(Crop) { return name_list("center", "random"); }

// The range to which pixel values u = 0..255 are mapped.
enum class PixelRange {
  kSymmetric,  // [-1,1]: u / 127.5 - 1
  kUnit,       // [0,1]: u / 255
};
constexpr auto choice_names(PixelRange) { return name_list("symmetric", "unit"); }

enum class OnBadImage { kError, kSkip };
constexpr auto choice_names(OnBadImage) { return name_list("error", "skip"); }

// --- training
// --------------------------------------------------------------------------------------

enum class Optimizer { kAdam, kAdamw };
constexpr auto choice_names(Optimizer) { return name_list("adam", "adamw"); }

enum class LearningRateSchedule { kConstant, kCosine };
constexpr auto choice_names(LearningRateSchedule) { return name_list("constant", "cosine"); }

// A function of prediction - target, averaged over all elements: its square, its absolute value, or
// square / 2 below a limit and linear above it (Huber, 1964).
enum class Loss { kMse, kL1, kHuber };
constexpr auto choice_names(Loss) { return name_list("mse", "l1", "huber"); }

// Factors of the loss by timestep (diffusion/objective.h).
enum class LossWeight { kUniform, kMinSnr, kP2, kEdm };
constexpr auto choice_names(LossWeight) { return name_list("uniform", "min_snr", "p2", "edm"); }

// How training draws timesteps (diffusion/objective.h).
enum class TimestepSampling { kUniform, kLogNormal };
constexpr auto choice_names(TimestepSampling) { return name_list("uniform", "log_normal"); }

// The type in which gradients are added; kAuto: that of the computation, but float32 for more than 16
// processes, whose sums bfloat16 would round too often.
enum class ReduceDtype { kAuto, kFp32, kBf16 };
constexpr auto choice_names(ReduceDtype) { return name_list("auto", "fp32", "bf16"); }

enum class OnNonfinite { kStop, kSkip };
constexpr auto choice_names(OnNonfinite) { return name_list("stop", "skip"); }

// --- sampling
// --------------------------------------------------------------------------------------

// config/samplers.h describes them.
enum class SamplerKind {
  kDdpm,
  kDdim,
  kEuler,
  kEulerAncestral,
  kHeun,
  kDpm2,
  kDpm2Ancestral,
  kLms,
  kIpndm,
  kPlms,
  kDeis,
  kDpmSolver2m,
  kDpmSolver3m,
  kDpmSolver2mSde,
  kDpmSolver3mSde,
  kDpmSolverSde,
  kUnipc,
  kLcm,
};
constexpr auto choice_names(SamplerKind) {
  return name_list("ddpm", "ddim", "euler", "euler-a", "heun", "dpm2", "dpm2-a", "lms", "ipndm",
                   "plms", "deis", "dpm++2m", "dpm++3m", "dpm++2m-sde", "dpm++3m-sde", "dpm++sde",
                   "unipc", "lcm");
}

// Which timesteps fewer steps visit (diffusion/time_grid.h).
enum class Spacing { kLinspace, kLeading, kTrailing, kQuadratic, kLogsnr };
constexpr auto choice_names(Spacing) {
  return name_list("linspace", "leading", "trailing", "quadratic", "logsnr");
}

// How the noise levels sigma / signal of the steps lie between the first and the last: at the times of
// the spacing, with evenly spaced 7th roots, or with evenly spaced logarithms.
enum class SigmaSpacing { kSchedule, kKarras, kExponential };
constexpr auto choice_names(SigmaSpacing) { return name_list("schedule", "karras", "exponential"); }

// What images are measured by (evaluation/scores.h).
//   fid   Fréchet distance of features
//   kid   kernel distance of features
//   is    inception score
//   prdc  precision, recall, density and coverage of features
//   swd   sliced Wasserstein distance of patches, which needs no network
//   nll   negative log likelihood of real images, bits_per_dim.h
enum class Metric { kFid, kKid, kIs, kPrdc, kSwd, kNll };
constexpr auto choice_names(Metric) { return name_list("fid", "kid", "is", "prdc", "swd", "nll"); }

// Whether the metric compares features, so that it needs a network.
constexpr bool needs_features(Metric metric) {
  return metric == Metric::kFid || metric == Metric::kKid || metric == Metric::kIs ||
         metric == Metric::kPrdc;
}

// The number by which one checkpoint is better than another: the training loss, or the main number of a
// metric.
enum class Criterion { kLoss, kFid, kKid, kIs, kPrecision, kRecall, kDensity, kCoverage, kSwd };
constexpr auto choice_names(Criterion) {
  return name_list("loss", "fid", "kid", "is", "precision", "recall", "density", "coverage", "swd");
}
constexpr bool higher_is_better(Criterion criterion) {
  return criterion >= Criterion::kIs && criterion <= Criterion::kCoverage;
}

// How images become 299x299 pixels for Inception. Scores depend on it.
//   torch-fidelity  bilinear without antialiasing, pixel i from place i * size / 299, as in
//                   TensorFlow 1: the scores of most papers
//   pytorch-fid     bilinear without antialiasing, by the centres of pixels
//   clean-fid       bicubic with antialiasing, as PIL
enum class InceptionResize { kTorchFidelity, kPytorchFid, kCleanFid };
constexpr auto choice_names(InceptionResize) {
  return name_list("torch-fidelity", "pytorch-fid", "clean-fid");
}

enum class SamplingVariance { kAuto, kFixedSmall, kFixedLarge };
constexpr auto choice_names(SamplingVariance) {
  return name_list("auto", "fixed_small", "fixed_large");
}

// The two sets of weights in a checkpoint: the averaged ones and those of the last step.
enum class WeightSet { kEma, kRaw };
constexpr auto choice_names(WeightSet) { return name_list("ema", "raw"); }

}  // namespace ddpm
