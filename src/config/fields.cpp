#include "ddpm/config/fields.h"

#include <utility>

#include "ddpm/config/color.h"
#include "field_rows.h"

namespace ddpm {
namespace rows {
namespace {

std::vector<Section> make_sections() {
  return {
      {"run", "Where a run is kept and what it runs on"},
      {"model", "The denoising network, a UNet"},
      {"diffusion", "The diffusion process"},
      {"data", "Where images come from and how they become tensors"},
      {"training", "Optimisation, and what is logged and saved during it"},
      {"sampling", "Defaults of `ddpm sample`"},
      {"evaluation", "Measuring the images during training, as `ddpm evaluate` does"},
  };
}

std::vector<Field> run_fields() {
  return {
      {FIELD(run, name), any(), kMayChange, "Name of the run directory, a plain folder name"},
      {FIELD(run, directory), any(), kMayChange, "Folder that holds the run directories"},
      {FIELD(run, seed), at_least(0), kFrozen, "Seed of all random numbers"},
      {FIELD(run, device),
       matching("^(auto|cpu|cuda(:[0-9]{1,3})?)$", "auto | cpu | cuda | cuda:N"), kMayChange,
       "Where to compute; auto: the first GPU, else the CPU"},
      {CHOICE(run, precision), kMayChange,
       "Arithmetic of the network; auto: bf16 on GPUs that have units for it (compute capability 8.0 "
       "and later), else fp32; a resumed run keeps that of its checkpoint. Weights and optimiser "
       "stay in fp32"},
      {FIELD(run, threads), between(0, 1024), kMayChange,
       "CPU threads; 0: one for each core that the process may use, also within a container's limit"},
      {FIELD(run, deterministic), any(), kMayChange,
       "Use only algorithms that give the same bits in every run; slower on a GPU"},
      {FIELD(run, tensorboard), any(), kMayChange,
       "Also write metrics and samples for TensorBoard, which shows them live: `tensorboard "
       "--logdir runs`"},
  };
}

std::vector<Field> diffusion_fields() {
  return {
      {FIELD(diffusion, timesteps), between(1, kMaxTimesteps), kFrozen,
       "Number T of steps of the process"},
      {CHOICE(diffusion, schedule), kFrozen,
       "Shape of the noise schedule; cosine does not use beta_start and beta_end"},
      {FIELD(diffusion, beta_start), inside(0, 1), kFrozen, "Variance added by the first step"},
      {FIELD(diffusion, beta_end), inside(0, 1), kFrozen, "Variance added by the last step"},
      {CHOICE(diffusion, variance), kFrozen,
       "Variance of the reverse process; fixed_large: beta_t; fixed_small: that of the posterior; "
       "learned_range: the network chooses between these two (OpenAI); learned: the network "
       "predicts it (diffusers)"},
      {CHOICE(diffusion, prediction_type), kFrozen,
       "What the network predicts: the noise, the velocity v, or the image"},
      {FIELD(diffusion, zero_terminal_snr), any(), kFrozen,
       "Shift and scale the schedule so that nothing of the image is left at the last timestep "
       "(Lin et al.); not for networks that predict noise"},
      {FIELD(diffusion, clip_x0), any(), kFrozen,
       "Clip the predicted image to the data range while sampling"},
      {FIELD(diffusion, dynamic_threshold), between(0, 1), kFrozen,
       "Replaces clip_x0: clip the predicted image to this quantile of its absolute values, where "
       "that is above 1, and divide by it (Saharia et al.; 0.995 is usual); 0: off"},
      {FIELD(diffusion, dynamic_threshold_max), between(1, 1e6), kFrozen,
       "Largest divisor that dynamic_threshold uses; 1 is ordinary clipping"},
  };
}

std::vector<Field> data_fields() {
  return {
      {CHOICE(data, source), kFrozen,
       "embedded: pictures inside the program; folder, zip, tar: image files; npz: arrays of NumPy; "
       "idx: MNIST's format; cifar10, cifar100: the binary and the Python version; latents: images "
       "that an autoencoder has made, in a safetensors file (docs/formats/latents.md)"},
      {FIELD(data, path), any(), kMayChange,
       "Folder or file with the images; all sources except embedded need it. If data.source is not set, "
       "it follows from the path"},
      {FIELD(data, context), any(), kMayChange,
       "Safetensors file with the context of each image or of each class, for networks with "
       "model.context_width (docs/formats/contexts.md)"},
      {FIELD(data, height), between(0, 16384), kFrozen,
       "Height in pixels; 0: the same as data.width; if both are 0: the size of the data"},
      {FIELD(data, width), between(0, 16384), kFrozen,
       "Width in pixels; 0: the same as data.height; if both are 0: the size of the data"},
      {FIELD(data, channels), one_of({"0", "1", "3", "4"}), kFrozen,
       "1: grey, 3: RGB, 4: RGBA; 0: those of the data"},
      {CHOICE(data, labels), kKept,
       "Where the class of an image file is taken from; folder: its first-level sub-folder; prefix: its "
       "name up to the first _; file: dataset.json or NAME.cls; none: there are no classes; auto: file "
       "if there is one, else folder",
       std::string(name_of(LabelSource::kFolder))},
      {FIELD(data, class_names),
       {.may_be_empty = true, .most_entries = kMaxTexts},
       kKept,
       "Names of the classes, class 0 first; empty: those of the data, which are then recorded"},
      {FIELD(data, exclude),
       {.may_be_empty = true, .most_entries = kMaxTexts},
       kKept,
       "Image files and folders to leave out: shell patterns for a name, or with a / for a path "
       "below data.path; a list that you give replaces the default",
       std::vector<std::string>{}},
      {CHOICE(data, orientation), kKept,
       "exif: turn pictures upright as their Exif block says; stored: read them as they are stored",
       std::string(name_of(Orientation::kStored))},
      {FIELD(data, background), matching(color_pattern(), color_pattern_text()), kFrozen,
       "Colour that transparent pictures are laid on"},
      {CHOICE(data, crop), kFrozen,
       "Which part of a larger image is kept; random needs a height or width"},
      {FIELD(data, horizontal_flip), any(), kFrozen, "Mirror each image with probability 1/2"},
      {CHOICE(data, range), kFrozen,
       "Range of pixel values in tensors; symmetric: [-1, 1], unit: [0, 1]"},
      {CHOICE(data, on_bad_image), kMayChange, "What to do with an image file that cannot be read"},
      {FIELD(data, cache), any(), kMayChange,
       "Folder where decoded images of folder, zip and tar are kept; auto: the user's cache folder; off: "
       "do not keep them"},
  };
}

std::vector<Field> training_fields() {
  return {
      {FIELD(training, steps), between(1, kMaxSteps), kMayChange,
       "Optimiser steps of the whole run"},
      {FIELD(training, budget_minutes), between(0, 1e6), kMayChange,
       "Minutes for the whole run, previews, evaluations and saves not counted: once, at its beginning, the "
       "speed is measured and training.steps set to what fits; 0: training.steps is taken as it is"},
      {FIELD(training, batch_size), between(1, 1e6), kMayChange,
       "Images in an optimiser step, all micro-batches together"},
      {FIELD(training, micro_batches), between(1, 1e6), kMayChange,
       "Number of parts in which a batch is computed, to save memory"},
      {CHOICE(training, optimizer), kMayChange,
       "adam: weight decay is part of the gradient; adamw: it is separate"},
      {FIELD(training, learning_rate), between(0, 10), kMayChange, "Peak learning rate"},
      {CHOICE(training, learning_rate_schedule), kMayChange,
       "Learning rate after the warm-up; cosine: it falls to 0 at the last step"},
      {FIELD(training, warmup_steps), between(0, kMaxSteps), kMayChange,
       "Steps in which the learning rate rises linearly to its peak"},
      {FIELD(training, beta1), below(0, 1), kMayChange, "Adam's decay of the gradient's mean"},
      {FIELD(training, beta2), below(0, 1), kMayChange, "Adam's decay of the gradient's square"},
      {FIELD(training, epsilon), above(0, 1), kMayChange, "Added to Adam's denominator"},
      {FIELD(training, weight_decay), between(0, 10), kMayChange,
       "Weight decay; adamw multiplies the weights by 1 - learning rate * this in each step"},
      {CHOICE(training, loss), kMayChange,
       "Mean over all elements of the square of prediction - target (mse), of its absolute value (l1), or of "
       "Huber's function, which is half the square up to huber_delta and linear above"},
      {FIELD(training, huber_delta), above(0, 1000), kMayChange,
       "Where Huber's loss becomes linear"},
      {CHOICE(training, loss_weight), kMayChange,
       "Factor of the loss by timestep; min_snr: the noise counts less where there is hardly any (Hang et al., "
       "\"Efficient Diffusion Training via Min-SNR Weighting Strategy\"); p2: likewise, smoothly (Choi et al., "
       "\"Perception Prioritized Training of Diffusion Models\"); edm: that of Karras et al., for log_normal"},
      {FIELD(training, min_snr_gamma), above(0, 1e6), kMayChange,
       "With min_snr: the error of the image counts min(SNR, this) times"},
      {FIELD(training, p2_gamma), between(0, 100), kMayChange,
       "With p2: the error of the noise counts (1 + SNR)^-this times"},
      {CHOICE(training, timestep_sampling), kMayChange,
       "How timesteps are drawn; log_normal: often those where ln(sigma / signal) is near log_normal_mean, "
       "rarely those with hardly any or nothing but noise (Karras et al., \"EDM\", section 5)"},
      {FIELD(training, log_normal_mean), between(-10, 10), kMayChange,
       "With log_normal: the mean of the logarithm of noise level sigma / signal"},
      {FIELD(training, log_normal_deviation), above(0, 10), kMayChange,
       "With log_normal: the standard deviation of that logarithm"},
      {FIELD(training, offset_noise), between(0, 1), kMayChange,
       "Standard deviation of additional noise that all pixels of a channel share, 0.1 for example; so that "
       "very dark and bright images are learnt; 0: none"},
      {FIELD(training, vlb_weight), above(0, 1000), kMayChange,
       "With model.predicts_variance: lambda in the loss L_simple + lambda L_vlb, where L_vlb is "
       "the bound in bits per dimension over all timesteps (OpenAI's rescaled loss; their loss "
       "without rescale_learned_sigmas has 1 / diffusion.timesteps)"},
      {FIELD(training, label_dropout), below(0, 1), kMayChange,
       "Probability that the label of a training image is replaced by the null class; 0.1 to 0.2 for "
       "guidance. Needs model.null_class"},
      {FIELD(training, context_dropout), between(0, 1), kMayChange,
       "Probability that an image is trained on with the empty context instead of its own, so that "
       "guidance can be used when sampling"},
      {FIELD(training, clip_norm), at_least(0), kMayChange,
       "Largest norm of the gradient; a longer gradient is scaled down; 0: no clipping"},
      {FIELD(training, ema_decay), below(0, 1), kMayChange,
       "Decay of the averaged weights in each step; 0: no averaging"},
      {FIELD(training, ema_warmup), any(), kMayChange,
       "Average faster at the start: use the decay min(ema_decay, (1 + n) / (10 + n)) at update n"},
      {FIELD(training, ema_length), between(0, 0.28), kMayChange,
       "Width of the average as a share of the training so far, 0.05 for example, which suits runs of any "
       "length: a power function of time (Karras et al., \"EDM2\", section 3) in place of "
       "ema_decay and ema_warmup; 0: these"},
      {FIELD(training, log_every), between(1, kMaxSteps), kMayChange,
       "Steps between lines of metrics.jsonl"},
      {FIELD(training, sample_every), between(0, kMaxSteps), kMayChange,
       "Steps between grids of sampled images; 0: never"},
      {FIELD(training, sample_count), between(1, 4096), kMayChange,
       "Number of images in such a grid"},
      {FIELD(training, sample_steps), between(1, kMaxTimesteps), kMayChange,
       "Sampler steps for such a grid; at most diffusion.timesteps are made"},
      {FIELD(training, checkpoint_every), between(0, kMaxSteps), kMayChange,
       "Steps between checkpoints; 0: save by time only (checkpoint_minutes). A checkpoint is always saved "
       "at the end"},
      {FIELD(training, checkpoint_minutes), between(0, 1e6), kMayChange,
       "Longest time between checkpoints, in minutes; 0: no limit"},
      {FIELD(training, keep_checkpoints), between(1, 1e6), kMayChange,
       "How many of the newest checkpoints are kept"},
      {FIELD(training, keep_every), between(0, kMaxSteps), kMayChange,
       "Also keep checkpoints of steps that are divisible by this; 0: none"},
      {FIELD(training, keep_best), any(), kMayChange,
       "Also keep the best checkpoint: the one with the least mean training loss since the "
       "checkpoint before it"},
      {CHOICE(training, reduce_dtype), kMayChange,
       "Type in which gradients are added over micro-batches and processes; auto: that of run.precision, but "
       "fp32 for more than 16 processes"},
      {FIELD(training, hang_minutes), between(0, 1e6), kMayChange,
       "With several processes: the longest time without a step, in minutes, after which the run ends and "
       "names the process that hangs; 0: no limit"},
      {CHOICE(training, on_nonfinite), kMayChange,
       "What to do if a gradient is infinite or NaN; stop: end with exit code 5; skip: leave that "
       "step out"},
      {FIELD(training, max_skipped_steps), between(1, 1e6), kMayChange,
       "How many steps in a row on_nonfinite=skip may leave out; one more ends the run"},
      {FIELD(training, skip_outliers), between(0, 1e6), kMayChange,
       "Leave out steps whose loss is more than this many standard deviations above the mean of "
       "recent losses, 6 for example; 0: none"},
  };
}

std::vector<Field> sampling_fields() {
  return {
      {CHOICE(sampling, sampler), kMayChange,
       "How images are drawn; `ddpm sample --list-samplers` describes the samplers"},
      {FIELD(sampling, steps), between(0, kMaxTimesteps), kMayChange,
       "Sampler steps; 0: every timestep of the diffusion process"},
      {CHOICE(sampling, spacing), kMayChange,
       "Which timesteps are visited if there are fewer steps; linspace: both ends included; "
       "leading: a grid that starts at 0; trailing: a grid that ends at the last; quadratic: most "
       "near the clean image, none in the last fifth (DDIM's for CIFAR-10); logsnr: with evenly "
       "spaced logarithms of the noise level"},
      {FIELD(sampling, timesteps),
       {.minimum = 0, .maximum = kMaxTimesteps, .may_be_empty = true, .most_entries = 1'000'000},
       kMayChange,
       "Timesteps to visit instead, descending; there are as many steps, and sampling.steps is not "
       "used; empty: those of the spacing"},
      {CHOICE(sampling, sigmas), kMayChange,
       "Noise levels of the steps, except with ddpm, ddim, ipndm and plms; schedule: those of the "
       "visited timesteps; karras: most steps near the clean image; exponential: each a fixed share "
       "of the one before"},
      {FIELD(sampling, sigma_min), between(0, 1e9), kMayChange,
       "With sigmas karras or exponential: the lowest noise level before the clean image, as noise / signal, "
       "0.05 for example; 0: that of the process"},
      {FIELD(sampling, sigma_max), between(0, 1e9), kMayChange,
       "With sigmas karras or exponential: the noise level of the first step, 20 for example; with fewer than "
       "20 steps of a cosine schedule, which ends at 20,000, it decides how good the images are; 0: that of "
       "the process"},
      {CHOICE(sampling, variance), kMayChange,
       "Variance of the reverse process; auto: diffusion.variance, but fixed_small if there are "
       "fewer steps"},
      {FIELD(sampling, steps_offset), between(0, kMaxTimesteps), kMayChange,
       "Added to the timesteps of spacing leading; Stable Diffusion uses 1"},
      {FIELD(sampling, eta), between(0, 1), kMayChange,
       "Noise that ddim adds, as a share of the noise of ddpm with fixed_small; 0: none"},
      {FIELD(sampling, churn), between(0, 1e6), kMayChange,
       "With euler and heun, noise that is added in all steps together (S_churn of Karras et al.): "
       "before each of S steps it raises the noise level by the share churn / S, at most 0.41; 0: "
       "none"},
      {FIELD(sampling, churn_low), between(0, 1e9), kMayChange,
       "Add churn only at noise levels from this one on, as noise / signal (S_tmin)"},
      {FIELD(sampling, churn_high), between(0, 1e9), kMayChange,
       "Add churn only at noise levels up to this one, as noise / signal (S_tmax); 0: no limit"},
      {FIELD(sampling, churn_noise), above(0, 10), kMayChange,
       "Standard deviation of churn's noise (S_noise); a little more than 1 keeps details, 1.003 or "
       "1.007 in the paper"},
      {FIELD(sampling, use_clipped_model_output), any(), kMayChange,
       "With ddim and clip_x0, compute the noise from the clipped image; diffusers' pipelines keep "
       "the predicted noise"},
      {FIELD(sampling, set_alpha_to_one), any(), kMayChange,
       "Let the last step of ddim end at the clean image; false: at the noise level of timestep 0"},
      {FIELD(sampling, class_label), between(-1, 1e6), kMayChange,
       "Class of all images of a class-conditional network; -1: draw a class for each image"},
      {FIELD(sampling, guidance), between(0, 1000), kMayChange,
       "Classifier-free guidance: the prediction becomes q + guidance (p - q), where p is that for the "
       "class and q that for the null class; 1: no guidance, at half the cost"},
      {FIELD(sampling, guidance_rescale), between(0, 1), kMayChange,
       "Share phi of the guided prediction that is rescaled to the standard deviation of p, against "
       "pictures with too much contrast; 0.7 in the paper (Lin et al.)"},
      {FIELD(sampling, guidance_low), between(0, 1e9), kMayChange,
       "Guide only at noise levels above this one, as noise / signal (kappa)"},
      {FIELD(sampling, guidance_high), between(0, 1e9), kMayChange,
       "Guide only at noise levels up to this one, as noise / signal (kappa); 0: no limit"},
      {FIELD(sampling, negative_class), between(-1, 1e6), kMayChange,
       "Class that guidance leads away from; -1: the null class"},
      {FIELD(sampling, count), between(1, kMaxImages), kMayChange, "Images to draw"},
      {FIELD(sampling, batch_size), between(1, 1e6), kMayChange,
       "Number of images drawn at a time; it does not change the images"},
      {CHOICE(sampling, weights), kMayChange,
       "ema: the averaged weights, if the run has them; raw: those of the last step"},
  };
}

std::vector<Field> evaluation_fields() {
  return {
      {FIELD(evaluation, every), between(0, kMaxSteps), kMayChange,
       "Steps between evaluations; 0: never. Their numbers join the line of metrics.jsonl"},
      {FIELD(evaluation, metrics), any(), kMayChange,
       "What is measured: swd, and with evaluation.features fid, kid, is, prdc; see docs/evaluation.md"},
      {CHOICE(evaluation, best_by), kMayChange,
       "The number by which training.keep_best knows the best checkpoint: the training loss, or one of "
       "the evaluation"},
      {CHOICE(evaluation, sampler), kMayChange, "How the images are drawn"},
      {FIELD(evaluation, steps), between(1, kMaxTimesteps), kMayChange,
       "Sampler steps; at most diffusion.timesteps are made"},
      {FIELD(evaluation, count), between(2, kMaxImages), kMayChange,
       "Images to draw, in batches of sampling.batch_size"},
      {FIELD(evaluation, data), any(), kMayChange,
       "Images to compare with, a folder or file; empty: those of the training"},
      {FIELD(evaluation, reference_count), between(0, kMaxImages), kMayChange,
       "How many of these images, chosen at random; 0: all"},
      {FIELD(evaluation, features), any(), kMayChange,
       "Network for features: weights of Inception-v3, or a TorchScript program, which is run"},
      {CHOICE(evaluation, resize), kMayChange,
       "How images are enlarged for Inception: as this program does"},
  };
}

std::vector<Field> make_fields() {
  std::vector<Field> all;
  for (std::vector<Field>& part : std::vector<std::vector<Field>>{
           run_fields(), model_fields(), diffusion_fields(), data_fields(), training_fields(),
           sampling_fields(), evaluation_fields()})
    std::move(part.begin(), part.end(), std::back_inserter(all));
  return all;
}

}  // namespace
}  // namespace rows

std::span<const Section> sections() {
  static const std::vector<Section> kSections = rows::make_sections();
  return kSections;
}

std::span<const Field> fields() {
  static const std::vector<Field> kFields = rows::make_fields();
  return kFields;
}

const Field* find_field(std::string_view path) {
  for (const Field& field : fields())
    if (field.path == path) return &field;
  return nullptr;
}

}  // namespace ddpm
