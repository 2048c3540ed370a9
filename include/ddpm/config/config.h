// The configuration of a run: plain structs whose member initialisers are the defaults. Keys of the
// JSON files equal the member names, and an enum is written as its name (config/choices.h). One
// table, src/config/fields.cpp, holds ranges and help texts; schema, docs, validation and --set
// come from it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ddpm/config/choices.h"
#include "ddpm/config/per_level.h"

namespace ddpm {

// The denoising network. These switches make one UNet into any of the published families;
// docs/config.md says which values give which network.
struct ModelConfig {
  std::int64_t base_width = 128;  // C0: width of the first convolution and of the sinusoid
  std::vector<std::int64_t> width_multipliers = {1, 2, 2, 2};  // by level, full resolution first
  std::vector<std::int64_t> widths = {};  // channels of each level; empty: from the multipliers
  bool compounding_widths = false;        // w_i = w_(i-1) * m_i instead of C0 * m_i
  // Residual blocks of a level on the way down; the way up has one more.
  PerLevel<std::int64_t> blocks_per_level = 2;
  std::vector<bool> attention = {false, true, false, false};  // by level, full resolution first
  std::vector<bool> attention_up = {};  // on the way up; empty: as on the way down
  AttentionKind attention_kind = AttentionKind::kQkv;
  std::int64_t attention_head_width = 0;       // channels of a head; 0: one head of all channels
  PerLevel<std::int64_t> attention_heads = 0;  // of a level; 0: attention_head_width decides
  // Blocks of the transformer that stands for each attention of a level; 0: an attention block.
  PerLevel<std::int64_t> transformer_depth = 0;
  std::int64_t middle_depth = 0;      // of the middle's transformer; 0: as the last level
  bool linear_projections = false;    // into and out of transformers; false: 1x1 convolutions
  std::vector<bool> cross_only = {};  // levels whose transformers lack self-attention; empty: none
  std::int64_t context_width = 0;     // channels of the context's tokens, for transformers
  MiddleAttention middle_attention = MiddleAttention::kWithNorm;
  bool middle = true;              // residual blocks and attention at the lowest resolution
  std::int64_t middle_groups = 0;  // groups of the norm of its attention; 0: as `groups`
  double middle_scale = 1;         // its residual sums are divided by this
  PerLevel<Downsampling> downsample = Downsampling::kConv;  // from a level to the next
  DownsamplePadding downsample_padding = DownsamplePadding::kAsymmetric;
  PerLevel<Upsampling> upsample = Upsampling::kNearest;
  WidthChange width_change = WidthChange::kFirstBlock;  // where the width drops on the way up
  TimeEmbeddingKind time_embedding = TimeEmbeddingKind::kSinusoidal;
  std::int64_t time_table = 0;  // rows of a learned time embedding
  // Divisor of the sinusoid's exponent.
  TimeFrequencies time_frequencies = TimeFrequencies::kHalfMinusOne;
  double time_scale = 1;  // a timestep is multiplied by this before its sinusoid
  TimeOrder time_order = TimeOrder::kSinCos;
  std::int64_t time_width = 0;    // channels of the time embedding; 0: 4 * base_width
  bool time_scale_shift = false;  // the time scales and shifts the second norm's result
  ClassEmbeddingKind class_embedding = ClassEmbeddingKind::kNone;
  std::int64_t classes = 0;
  bool null_class = false;             // one more row, number `classes`, for images of no class
  std::int64_t vector_width = 0;       // numbers of a vector that is added to the time; 0: none
  std::int64_t vector_time_width = 0;  // of each size in the vector, as a sinusoid; 0: no sizes
  Activation activation = Activation::kSilu;
  bool center_input = false;  // compute with 2x - 1
  std::int64_t groups = 32;   // groups of every group norm but the last
  std::int64_t final_groups = 32;
  double norm_epsilon = 1e-6;
  double dropout = 0.1;
  bool predicts_variance = false;  // the output has twice the channels; the rest is the variance
  std::int64_t in_channels = 0;    // of the input, images first; 0: those of the image
  std::int64_t out_channels = 0;   // 0: those of the image, or twice as many (see above)
  Initialization initialization = Initialization::kHo;
  NamingScheme names = NamingScheme::kDiffusers;  // of tensors in files; kDiffusers or kLabml
  QkvOrder qkv_order = QkvOrder::kByHead;         // in OpenAI's files
};

// The diffusion process.
struct DiffusionConfig {
  std::int64_t timesteps = 1000;  // T
  BetaSchedule schedule = BetaSchedule::kLinear;
  double beta_start = 1e-4;
  double beta_end = 0.02;
  Variance variance = Variance::kFixedLarge;        // of the reverse process
  Prediction prediction_type = Prediction::kNoise;  // what the network predicts
  bool zero_terminal_snr = false;  // shift and scale the schedule so that it ends in pure noise
  bool clip_x0 = true;  // clip the predicted image to the data range before the posterior mean
  double dynamic_threshold = 0;      // clip and scale by this quantile instead; 0: do not
  double dynamic_threshold_max = 1;  // the quantile counts at most as this
};

// Where images come from and how they become tensors.
struct DataConfig {
  DataSource source = DataSource::kEmbedded;
  std::string path;         // folder or file
  std::string context;      // file of contexts (data/contexts.h); empty: none
  std::int64_t height = 0;  // pixels; 0: that of the data
  std::int64_t width = 0;
  std::int64_t channels = 0;  // 1 grey, 3 RGB, 4 RGBA; 0: those of the data
  LabelSource labels = LabelSource::kAuto;
  std::vector<std::string> class_names = {};  // entry i names class i; empty: those of the data
  // Patterns of image files and folders that are left out: thumbnails of a NAS, Windows' bin, macOS's
  // resource forks, what fsck found.
  std::vector<std::string> exclude = {"@eaDir", "$RECYCLE.BIN", "__MACOSX", "lost+found"};
  Orientation orientation = Orientation::kExif;
  std::string background = "white";  // what transparent pictures are laid on: a name or #rrggbb
  Crop crop = Crop::kCenter;         // the part of a larger image that is kept
  bool horizontal_flip = false;      // mirror each image with probability 1/2
  PixelRange range = PixelRange::kSymmetric;
  OnBadImage on_bad_image = OnBadImage::kError;
  std::string cache = "auto";  // where decoded images are kept: auto | off | a folder
};

struct TrainingConfig {
  std::int64_t steps = 100000;
  double budget_minutes = 0;       // `steps` becomes what fits into this time; 0: it stays
  std::int64_t batch_size = 128;   // images per optimiser step, all micro-batches together
  std::int64_t micro_batches = 1;  // gradient accumulation: a batch is computed in so many parts
  Optimizer optimizer = Optimizer::kAdam;
  double learning_rate = 2e-4;
  LearningRateSchedule learning_rate_schedule = LearningRateSchedule::kConstant;
  std::int64_t warmup_steps = 5000;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
  Loss loss = Loss::kMse;  // of prediction and target
  double huber_delta = 1;  // errors above this count linearly, with loss huber
  LossWeight loss_weight = LossWeight::kUniform;
  double min_snr_gamma = 5;  // largest signal-to-noise ratio that counts, with min_snr
  double p2_gamma = 1;       // exponent, with p2
  TimestepSampling timestep_sampling = TimestepSampling::kUniform;
  double log_normal_mean = -1.2;      // of ln(sigma / signal), with log_normal
  double log_normal_deviation = 1.2;  // its standard deviation
  double offset_noise = 0;            // standard deviation of noise that a channel shares
  double vlb_weight = 0.001;          // lambda of the hybrid loss, with predicts_variance
  double label_dropout = 0;           // probability that a label becomes the null class
  double context_dropout = 0;         // probability of training on the empty context
  double clip_norm = 1.0;             // 0: no clipping
  double ema_decay = 0.9999;          // 0: no averaging
  bool ema_warmup = true;             // decay min(ema_decay, (1+n)/(10+n))
  double ema_length = 0;              // width of the average, as a share of training; 0: by decay
  std::int64_t log_every = 50;        // steps
  std::int64_t sample_every = 1000;   // steps; 0: never
  std::int64_t sample_count = 64;     // images of the periodic grid
  std::int64_t sample_steps = 100;    // sampler steps of the periodic grid
  std::int64_t checkpoint_every = 1000;  // steps; 0: not by steps
  double checkpoint_minutes = 30;        // 0: not by time
  std::int64_t keep_checkpoints = 2;     // how many of the newest are kept
  std::int64_t keep_every = 0;           // keep steps divisible by this too; 0: none
  bool keep_best = false;                // keep the one with the least loss too
  ReduceDtype reduce_dtype = ReduceDtype::kAuto;
  double hang_minutes = 10;  // several processes end if none makes a step for so long; 0: never
  OnNonfinite on_nonfinite = OnNonfinite::kStop;
  std::int64_t max_skipped_steps = 10;  // in a row
  double skip_outliers = 0;             // standard deviations above the recent mean loss; 0: none
};

// Defaults of `ddpm sample`.
struct SamplingConfig {
  SamplerKind sampler = SamplerKind::kDdpm;
  std::int64_t steps = 0;                         // 0: every timestep of the diffusion process
  Spacing spacing = Spacing::kLinspace;           // which timesteps fewer steps visit
  std::vector<std::int64_t> timesteps = {};       // these instead, descending; empty: by spacing
  SigmaSpacing sigmas = SigmaSpacing::kSchedule;  // noise levels of the steps
  // Limits of these levels, sigma / signal, except with kSchedule; 0: those of the process.
  double sigma_min = 0;
  double sigma_max = 0;
  // kAuto: that of the diffusion process, but fixed_small for fewer steps.
  SamplingVariance variance = SamplingVariance::kAuto;
  std::int64_t steps_offset = 0;  // added to the timesteps of leading spacing
  double eta = 0;                 // ddim: share of ddpm's noise
  // euler, heun: noise before steps (Karras et al.'s S_churn; 0: none), between which noise levels,
  // sigma / signal, it is added, and its standard deviation.
  double churn = 0;
  double churn_low = 0;
  double churn_high = 0;  // 0: no limit
  double churn_noise = 1;
  bool use_clipped_model_output = true;  // ddim: take the noise from the clipped image
  bool set_alpha_to_one = true;          // ddim: the last step ends at the clean image
  std::int64_t class_label = -1;         // of all images; -1: draw one for each
  double guidance = 1;          // factor of (prediction - negative prediction); 1: no guidance
  double guidance_rescale = 0;  // share of the result that gets the deviation of the prediction
  double guidance_low = 0;      // guide only above this noise level, sigma / signal, ...
  double guidance_high = 0;     // ... and up to this one; 0: no limit
  std::int64_t negative_class = -1;  // what guidance leads away from; -1: the null class
  std::int64_t count = 64;
  std::int64_t batch_size = 64;
  WeightSet weights = WeightSet::kEma;
};

// Measuring the images during training, as `ddpm evaluate` does.
struct EvaluationConfig {
  std::int64_t every = 0;                      // steps between evaluations; 0: never
  std::vector<std::string> metrics = {"swd"};  // names of Metric
  Criterion best_by = Criterion::kLoss;        // what training.keep_best goes by
  SamplerKind sampler = SamplerKind::kDdim;
  std::int64_t steps = 50;               // of the sampler
  std::int64_t count = 2000;             // images that are drawn
  std::string data;                      // images to compare with; empty: those of the training
  std::int64_t reference_count = 10000;  // of these images; 0: all
  std::string features;                  // file of the network (evaluation/features.h)
  InceptionResize resize = InceptionResize::kTorchFidelity;
};

struct RunConfig {
  std::string name = "run";        // name of the run directory
  std::string directory = "runs";  // folder that holds the run directories
  std::int64_t seed = 0;
  std::string device = "auto";  // auto | cpu | cuda | cuda:N
  Precision precision = Precision::kAuto;
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
  EvaluationConfig evaluation;
};

}  // namespace ddpm
