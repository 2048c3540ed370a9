#include "ddpm/training/trainer.h"

#include <cmath>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/io/model_file.h"
#include "ddpm/io/weights.h"
#include "ddpm/nn/initialize.h"
#include "ddpm/ops/adam.h"
#include "ddpm/ops/random.h"
#include "ddpm/training/schedules.h"
#include "ddpm/training/state.h"

namespace ddpm {
namespace {

std::vector<NamedTensor> with_prefix(const std::string& prefix, std::vector<NamedTensor> tensors) {
  for (NamedTensor& named : tensors) named.name = prefix + named.name;
  return tensors;
}

std::vector<NamedTensor> optimizer_tensors(const ParameterLayout& layout, const torch::Tensor& m,
                                           const torch::Tensor& v) {
  std::vector<NamedTensor> tensors = with_prefix("exp_avg.", layout.views(m));
  for (NamedTensor& named : with_prefix("exp_avg_sq.", layout.views(v)))
    tensors.push_back(std::move(named));
  return tensors;
}

}  // namespace

Trainer::Trainer(const Config& config, const ImageStore& images, const Runtime& runtime)
    : config_(config),
      images_(images),
      device_(runtime.device),
      net_(config.model, images.channels()),
      layout_(*net_),
      model_([this](const torch::Tensor& x,
                    const torch::Tensor& t) { return net_->forward(x, t, dropout_key_); },
             NoiseSchedule(config.diffusion), device_) {
  master_ = layout_.allocate(torch::kFloat32, device_);
  gradients_ = layout_.allocate(runtime.compute_dtype, device_);
  first_moment_ = layout_.allocate(torch::kFloat32, device_);
  second_moment_ = layout_.allocate(torch::kFloat32, device_);

  bind_network(master_);
  initialize_weights(net_, config.model.initialization,
                     static_cast<std::uint64_t>(config.run.seed));
  weights_ = master_.to(runtime.compute_dtype);  // the same tensor if it is float32
  bind_network(weights_);
  layout_.bind_gradients(*net_, gradients_);
  if (averages()) average_ = master_.clone();
}

torch::Tensor Trainer::micro_batch_loss(const MicroBatch& micro) {
  const auto seed = static_cast<std::uint64_t>(config_.run.seed);
  const Batch batch = make_batch(images_, {.first_position = micro.first_position,
                                           .count = micro.count,
                                           .seed = seed,
                                           .horizontal_flip = config_.data.horizontal_flip,
                                           .random_crop = config_.data.crop == "random",
                                           .range = parse_pixel_range(config_.data.range)});
  const torch::Tensor x0 = batch.images.to(device_);
  const RandomKey key{
      .seed = seed, .step = static_cast<std::uint64_t>(steps_done_), .sample = micro.first_row};
  const torch::Tensor t = ops::random_integers(key.with_stream(RandomStream::kTimestep),
                                               micro.count, config_.diffusion.timesteps, device_);
  const torch::Tensor noise = ops::random_normal(key.with_stream(RandomStream::kNoise), micro.count,
                                                 x0.sizes().slice(1), device_);
  if (config_.model.dropout > 0) dropout_key_ = key;
  return model_.loss(x0, t, noise);
}

double Trainer::backward_through_batch() {
  const std::int64_t parts = config_.training.micro_batches;
  const std::int64_t count = config_.training.batch_size / parts;
  gradients_.zero_();
  torch::Tensor total = torch::zeros({}, torch::TensorOptions().device(device_));
  for (std::int64_t part = 0; part < parts; ++part) {
    const std::int64_t first = part * count;
    torch::Tensor loss =
        micro_batch_loss({.first_position = static_cast<std::uint64_t>(images_seen_ + first),
                          .first_row = static_cast<std::uint64_t>(first),
                          .count = count}) /
        static_cast<double>(parts);
    loss.backward();
    total += loss.detach();
  }
  return total.item<double>();
}

StepResult Trainer::step() {
  StepResult result;
  result.loss = backward_through_batch();

  const torch::Tensor gradients = gradients_.to(torch::kFloat32);
  const torch::Tensor norm = gradients.norm();
  result.gradient_norm = norm.item<double>();
  if (!std::isfinite(result.loss) || !std::isfinite(result.gradient_norm))
    throw NonFiniteError(format_text(
        "step {}: loss {} and gradient norm {} are not finite; the weights were not changed",
        steps_done_ + 1, result.loss, result.gradient_norm));
  result.learning_rate = learning_rate(config_.training, steps_done_ + 1);
  update_weights(gradients, norm);

  ++steps_done_;
  images_seen_ += config_.training.batch_size;
  return result;
}

void Trainer::update_weights(const torch::Tensor& gradients, const torch::Tensor& norm) {
  torch::NoGradGuard no_grad;
  const TrainingConfig& training = config_.training;
  // Clipping divides by max(1, norm / clip_norm); 1e-6 as in PyTorch's clip_grad_norm_.
  const torch::Tensor divisor = training.clip_norm > 0
                                    ? ((norm + 1e-6) / training.clip_norm).clamp_min(1.0)
                                    : torch::ones_like(norm);
  ops::adam_step(master_, gradients, first_moment_, second_moment_, steps_done_ + 1, divisor,
                 {.learning_rate = learning_rate(training, steps_done_ + 1),
                  .beta1 = training.beta1,
                  .beta2 = training.beta2,
                  .epsilon = training.epsilon,
                  .weight_decay = training.weight_decay,
                  .decoupled = training.optimizer == "adamw"});
  if (!weights_.is_same(master_)) weights_.copy_(master_);
  if (averages()) average_.lerp_(master_, 1.0 - ema_decay(training, steps_done_));
}

void Trainer::save(const std::filesystem::path& folder) const {
  const SafetensorsMetadata metadata = model_metadata(config_);
  save_tensors(folder / "model.safetensors", layout_.views(master_), metadata);
  if (averages()) save_tensors(folder / "ema.safetensors", layout_.views(average_), metadata);
  save_tensors(folder / "optimizer.safetensors",
               optimizer_tensors(layout_, first_moment_, second_moment_), {{"format", "pt"}});
  write_training_state(folder,
                       {.step = steps_done_, .images_seen = images_seen_, .config = config_});
}

void Trainer::load(const std::filesystem::path& folder) {
  load_tensors(SafetensorsFile(folder / "model.safetensors"), layout_.views(master_));
  load_tensors(SafetensorsFile(folder / "optimizer.safetensors"),
               optimizer_tensors(layout_, first_moment_, second_moment_));
  if (averages()) {
    const std::filesystem::path ema = folder / "ema.safetensors";
    // Averaging may be switched on later; it then starts from the weights.
    if (std::filesystem::exists(ema))
      load_tensors(SafetensorsFile(ema), layout_.views(average_));
    else
      average_.copy_(master_);
  }
  torch::NoGradGuard no_grad;
  if (!weights_.is_same(master_)) weights_.copy_(master_);
  const TrainingState state = read_training_state(folder);
  steps_done_ = state.step;
  images_seen_ = state.images_seen;
}

}  // namespace ddpm
