// The configuration of a run: plain structs whose member initialisers are the defaults. Keys of the
// JSON files equal the member names; enums stand there as their names (config/choices.h). Ranges,
// help texts and everything generated from them (schema, docs, validation, --set) live in one table,
// src/config/fields.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ddpm/config/choices.h"
#include "ddpm/config/per_level.h"

namespace ddpm {

// The denoising network. One UNet covers the published families by these switches; docs/config.md
// says which values reproduce which network.
struct ModelConfig {
  std::int64_t base_width = 128;  // C0: width of the first convolution and of the sinusoid
  std::vector<std::int64_t> width_multipliers = {1, 2, 2, 2};  // by level, full resolution first
  std::vector<std::int64_t> widths = {};  // channels of each level; empty: from the multipliers
  bool compounding_widths = false;        // w_i = w_(i-1) * m_i instead of C0 * m_i
  // Residual blocks on the way down; one more on the way up.
  PerLevel<std::int64_t> blocks_per_level = 2;
  std::vector<bool> attention = {false, true, false, false};  // by level, full resolution first
  std::vector<bool> attention_up = {};  // on the way up; empty: as on the way down
  AttentionKind attention_kind = AttentionKind::kQkv;
  std::int64_t attention_head_width = 0;  // channels of a head; 0: one head of all channels
  std::int64_t attention_heads = 0;       // heads whatever their width; 0: by their width
  MiddleAttention middle_attention = MiddleAttention::kWithNorm;
  bool middle = true;              // residual blocks and attention at the lowest resolution
  std::int64_t middle_groups = 0;  // of its attention's norm; 0: groups
  double middle_scale = 1;         // what the middle's residual sums are divided by
  PerLevel<Downsampling> downsample = Downsampling::kConv;  // from a level to the next
  DownsamplePadding downsample_padding = DownsamplePadding::kAsymmetric;
  PerLevel<Upsampling> upsample = Upsampling::kNearest;
  WidthChange width_change = WidthChange::kFirstBlock;  // where the width drops on the way up
  TimeEmbeddingKind time_embedding = TimeEmbeddingKind::kSinusoidal;
  std::int64_t time_table = 0;  // rows of a learned time embedding
  // Divisor of the sinusoid's exponent.
  TimeFrequencies time_frequencies = TimeFrequencies::kHalfMinusOne;
  double time_scale = 1;  // what a timestep is multiplied by before its sinusoid
  TimeOrder time_order = TimeOrder::kSinCos;
  std::int64_t time_width = 0;    // channels of the time embedding; 0: 4 * base_width
  bool time_scale_shift = false;  // the time scales and shifts the second norm's result
  ClassEmbeddingKind class_embedding = ClassEmbeddingKind::kNone;
  std::int64_t classes = 0;
  Activation activation = Activation::kSilu;
  bool center_input = false;  // compute with 2x - 1
  std::int64_t groups = 32;   // of every group norm but the last
  std::int64_t final_groups = 32;
  double norm_epsilon = 1e-6;
  double dropout = 0.1;
  bool predicts_variance = false;  // twice as many channels come out: the rest is the variance
  std::int64_t out_channels = 0;   // of the prediction; 0: the image's, or twice as many
  Initialization initialization = Initialization::kHo;
  NamingScheme names = NamingScheme::kDiffusers;  // of the tensors in files; kDiffusers or kLabml
  QkvOrder qkv_order = QkvOrder::kByHead;         // of OpenAI's files
};

// The diffusion process.
struct DiffusionConfig {
  std::int64_t timesteps = 1000;  // T
  BetaSchedule schedule = BetaSchedule::kLinear;
  double beta_start = 1e-4;
  double beta_end = 0.02;
  Variance variance = Variance::kFixedLarge;        // of the reverse process
  Prediction prediction_type = Prediction::kNoise;  // what the network predicts
  bool zero_terminal_snr = false;  // the schedule shifted and scaled to end in noise alone
  bool clip_x0 = true;  // clip the predicted image to the data range before the posterior mean
  double dynamic_threshold = 0;      // quantile by which it is scaled instead; 0: none
  double dynamic_threshold_max = 1;  // largest such divisor
};

// Where images come from and how they become tensors.
struct DataConfig {
  DataSource source = DataSource::kEmbedded;
  std::string path;         // folder or file
  std::int64_t height = 0;  // pixels; 0: as the data are
  std::int64_t width = 0;
  std::int64_t channels = 0;     // 1 grey, 3 RGB, 4 RGBA; 0: as the data are
  Crop crop = Crop::kCenter;     // which square of a larger image is kept
  bool horizontal_flip = false;  // mirror every second image at random
  PixelRange range = PixelRange::kSymmetric;
  OnBadImage on_bad_image = OnBadImage::kError;
  std::string cache = "auto";  // auto | off | a folder: where decoded images are kept
};

struct TrainingConfig {
  std::int64_t steps = 100000;
  std::int64_t batch_size = 128;   // images per optimiser step, all micro-batches together
  std::int64_t micro_batches = 1;  // gradient accumulation: parts a batch is computed in
  Optimizer optimizer = Optimizer::kAdam;
  double learning_rate = 2e-4;
  LearningRateSchedule learning_rate_schedule = LearningRateSchedule::kConstant;
  std::int64_t warmup_steps = 5000;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
  double vlb_weight = 0.001;             // lambda of the hybrid loss, with predicts_variance
  double clip_norm = 1.0;                // 0: no clipping
  double ema_decay = 0.9999;             // 0: no averaging
  bool ema_warmup = true;                // decay min(ema_decay, (1+n)/(10+n))
  std::int64_t log_every = 50;           // steps
  std::int64_t sample_every = 1000;      // steps; 0: never
  std::int64_t sample_count = 64;        // images of the periodic grid
  std::int64_t sample_steps = 100;       // sampler steps of the periodic grid
  std::int64_t checkpoint_every = 1000;  // steps; 0: not by steps
  double checkpoint_minutes = 30;        // 0: not by time
  std::int64_t keep_checkpoints = 2;     // newest ones kept
  std::int64_t keep_every = 0;           // steps divisible by this are kept too; 0: none
  bool keep_best = false;                // and the one of least loss
  OnNonfinite on_nonfinite = OnNonfinite::kStop;
  std::int64_t max_skipped_steps = 10;  // in a row
  double skip_outliers = 0;             // standard deviations above the recent mean loss; 0: none
};

// Defaults of `ddpm sample`.
struct SamplingConfig {
  SamplerKind sampler = SamplerKind::kDdpm;
  std::int64_t steps = 0;                // 0: every timestep of the diffusion process
  Spacing spacing = Spacing::kLinspace;  // which timesteps fewer steps visit
  // The process's if auto, but fixed_small for fewer steps.
  SamplingVariance variance = SamplingVariance::kAuto;
  std::int64_t steps_offset = 0;         // added to the timesteps of leading spacing
  double eta = 0;                        // ddim: share of ddpm's noise
  bool use_clipped_model_output = true;  // ddim: the noise is that of the clipped image
  bool set_alpha_to_one = true;          // ddim: the last step ends at the clean image
  std::int64_t class_label = -1;         // of all images; -1: drawn for each
  std::int64_t count = 64;
  std::int64_t batch_size = 64;
  WeightSet weights = WeightSet::kEma;
};

struct RunConfig {
  std::string name = "run";        // of the run directory
  std::string directory = "runs";  // that holds the run directories
  std::int64_t seed = 0;
  std::string device = "auto";  // auto | cpu | cuda | cuda:N
  Precision precision = Precision::kFp32;
  std::int64_t threads = 0;  // CPU threads; 0: all cores
  bool deterministic = false;
  bool tensorboard = true;  // an event file besides metrics.jsonl
};

struct Config {
  RunConfig run;
  ModelConfig model;
  DiffusionConfig diffusion;
  DataConfig data;
  TrainingConfig training;
  SamplingConfig sampling;
};

}  // namespace ddpm
