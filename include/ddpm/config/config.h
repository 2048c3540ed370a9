// The configuration of a run: plain structs whose member initialisers are the defaults. Keys of the
// JSON files equal the member names. Ranges, help texts and everything generated from them (schema,
// docs, validation, --set) live in one table, src/config/fields.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ddpm {

// The denoising network. One UNet covers the published families by these switches; docs/config.md
// says which values reproduce which network.
struct ModelConfig {
  std::int64_t base_width = 128;  // C0: width of the first convolution and of the sinusoid
  std::vector<std::int64_t> width_multipliers = {1, 2, 2, 2};  // by level, full resolution first
  std::vector<std::int64_t> widths = {};  // channels of each level; empty: from the multipliers
  bool compounding_widths = false;        // w_i = w_(i-1) * m_i instead of C0 * m_i
  std::int64_t blocks_per_level = 2;      // residual blocks on the way down; one more on the way up
  std::vector<bool> attention = {false, true, false, false};  // by level, full resolution first
  std::string attention_kind = "qkv";  // qkv: GN and three projections | fused: one linear, no norm
  std::int64_t attention_head_width = 0;       // channels of a head; 0: one head of all channels
  std::int64_t attention_heads = 0;            // heads whatever their width; 0: by their width
  std::string middle_attention = "with_norm";  // with_norm | without_norm | none
  bool middle = true;               // residual blocks and attention at the lowest resolution
  std::int64_t middle_groups = 0;   // of its attention's norm; 0: groups
  double middle_scale = 1;          // what the middle's residual sums are divided by
  std::string downsample = "conv";  // conv: strided | resnet: a residual block around a 2x2 mean
  std::string downsample_padding = "asymmetric";  // asymmetric: right and bottom | symmetric
  std::string upsample = "nearest";  // nearest: x2, then 3x3 | transposed: 4x4 stride 2 | resnet
  // Where the width drops on the way up: first_block | last_block.
  std::string width_change = "first_block";
  std::string time_embedding = "sinusoidal";  // sinusoidal | learned | fourier
  std::int64_t time_table = 0;                // rows of a learned time embedding
  // Divisor of the sinusoid's exponent: half_minus_one | half.
  std::string time_frequencies = "half_minus_one";
  double time_scale = 1;                 // what a timestep is multiplied by before its sinusoid
  std::string time_order = "sin_cos";    // sin_cos | cos_sin
  std::int64_t time_width = 0;           // channels of the time embedding; 0: 4 * base_width
  bool time_scale_shift = false;         // the time scales and shifts the second norm's result
  std::string class_embedding = "none";  // none | table | timestep | identity
  std::int64_t classes = 0;
  std::string activation = "silu";  // silu | relu | gelu | mish
  bool center_input = false;        // compute with 2x - 1
  std::int64_t groups = 32;         // of every group norm but the last
  std::int64_t final_groups = 32;
  double norm_epsilon = 1e-6;
  double dropout = 0.1;
  bool predicts_variance = false;  // twice as many channels come out: the rest is the variance
  // ho: Xavier, last layers near zero | pytorch: PyTorch's defaults.
  std::string initialization = "ho";
  std::string names = "diffusers";    // names of the tensors in files: diffusers | labml
  std::string qkv_order = "by_head";  // of OpenAI's files: by_head | blocked
};

// The diffusion process.
struct DiffusionConfig {
  std::int64_t timesteps = 1000;    // T
  std::string schedule = "linear";  // linear | cosine | quadratic | sigmoid
  double beta_start = 1e-4;
  double beta_end = 0.02;
  // Of the reverse process: fixed_large | fixed_small | learned_range | learned.
  std::string variance = "fixed_large";
  // What the network predicts: epsilon | v_prediction | sample (the image).
  std::string prediction_type = "epsilon";
  bool zero_terminal_snr = false;  // the schedule shifted and scaled to end in noise alone
  bool clip_x0 = true;  // clip the predicted image to the data range before the posterior mean
  double dynamic_threshold = 0;      // quantile by which it is scaled instead; 0: none
  double dynamic_threshold_max = 1;  // largest such divisor
};

// Where images come from and how they become tensors.
struct DataConfig {
  std::string source = "embedded";  // embedded | folder | idx | cifar10
  std::string path;                 // folder or file
  std::int64_t height = 0;          // pixels; 0: as the data are
  std::int64_t width = 0;
  std::int64_t channels = 0;           // 1 grey, 3 RGB, 4 RGBA; 0: as the data are
  std::string crop = "center";         // center | random: which square of a larger image is kept
  bool horizontal_flip = false;        // mirror every second image at random
  std::string range = "symmetric";     // symmetric: [-1,1] | unit: [0,1]
  std::string on_bad_image = "error";  // error | skip
  std::string cache = "auto";          // auto | off | a folder: where decoded images are kept
};

struct TrainingConfig {
  std::int64_t steps = 100000;
  std::int64_t batch_size = 128;   // images per optimiser step, all micro-batches together
  std::int64_t micro_batches = 1;  // gradient accumulation: parts a batch is computed in
  std::string optimizer = "adam";  // adam | adamw
  double learning_rate = 2e-4;
  std::string learning_rate_schedule = "constant";  // constant | cosine
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
  std::string on_nonfinite = "stop";     // stop | skip
  std::int64_t max_skipped_steps = 10;   // in a row
  double skip_outliers = 0;              // standard deviations above the recent mean loss; 0: none
};

// Defaults of `ddpm sample`.
struct SamplingConfig {
  std::string sampler = "ddpm";  // ddpm | ddim
  std::int64_t steps = 0;        // 0: every timestep of the diffusion process
  // Which timesteps fewer steps visit: linspace | leading | trailing.
  std::string spacing = "linspace";
  // auto | fixed_small | fixed_large; auto: the process's, but fixed_small for fewer steps.
  std::string variance = "auto";
  std::int64_t steps_offset = 0;         // added to the timesteps of leading spacing
  double eta = 0;                        // ddim: share of ddpm's noise
  bool use_clipped_model_output = true;  // ddim: the noise is that of the clipped image
  bool set_alpha_to_one = true;          // ddim: the last step ends at the clean image
  std::int64_t class_label = -1;         // of all images; -1: drawn for each
  std::int64_t count = 64;
  std::int64_t batch_size = 64;
  std::string weights = "ema";  // ema | raw
};

struct RunConfig {
  std::string name = "run";        // of the run directory
  std::string directory = "runs";  // that holds the run directories
  std::int64_t seed = 0;
  std::string device = "auto";     // auto | cpu | cuda | cuda:N
  std::string precision = "fp32";  // fp32 | tf32 | bf16
  std::int64_t threads = 0;        // CPU threads; 0: all cores
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
