#include "ddpm/training/trainer.h"

#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <limits>
#include <stdexcept>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/diffusion/guidance.h"
#include "ddpm/io/weights.h"
#include "ddpm/nn/initialize.h"
#include "ddpm/ops/adam.h"
#include "ddpm/ops/random.h"
#include "ddpm/runs/training_state.h"
#include "ddpm/training/schedules.h"

namespace ddpm {
namespace {

constexpr std::int64_t kAdamScalars = 4;  // ops::adam_scalars

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

// How many steps in a row may have an infinite or NaN gradient before training fails.
std::int64_t tolerated_bad_steps(const TrainingConfig& training) {
  return training.on_nonfinite == OnNonfinite::kSkip ? training.max_skipped_steps : 0;
}

// The type of the flat gradient, in which micro-batches and processes are added.
torch::Dtype gradient_dtype(const TrainingConfig& training, const World& world,
                            torch::Dtype computed) {
  constexpr std::int64_t kManyProcesses = 16;
  switch (training.reduce_dtype) {
    case ReduceDtype::kAuto:
      return world.size > kManyProcesses ? torch::kFloat32 : computed;
    case ReduceDtype::kFp32:
      return torch::kFloat32;
    case ReduceDtype::kBf16:
      return torch::kBFloat16;
  }
  throw std::logic_error("unknown reduce_dtype");
}

BatchRequest batch_request(const Config& config, std::int64_t rows) {
  return {.count = rows,
          .seed = static_cast<std::uint64_t>(config.run.seed),
          .horizontal_flip = config.data.horizontal_flip,
          .random_crop = config.data.crop == Crop::kRandom,
          .range = config.data.range};
}

std::optional<ContextSource> context_source(const Config& config, const ImageStore& images,
                                            std::int64_t rows, torch::Device device) {
  if (config.model.context_width == 0) return std::nullopt;
  return ContextSource(Contexts(config.data.context, config.model.context_width), images,
                       {.count = rows,
                        .seed = static_cast<std::uint64_t>(config.run.seed),
                        .dropout = config.training.context_dropout},
                       device);
}

// The hybrid loss, if the network predicts its variance.
std::optional<HybridLoss> hybrid_loss(const Config& config, torch::Device device) {
  if (!config.model.predicts_variance) return std::nullopt;
  const double minimum = config.data.range == PixelRange::kUnit ? 0 : -1;
  return HybridLoss{VariationalBound(NoiseSchedule(config.diffusion), device,
                                     config.diffusion.prediction_type, minimum,
                                     /*maximum=*/1),
                    config.training.vlb_weight};
}

}  // namespace

std::int64_t rows_of_micro_batch(const TrainingConfig& training, const World& world) {
  const std::int64_t parts = world.size * training.micro_batches;
  if (training.batch_size % parts != 0)
    throw ConfigError(format_text(
        "config: training.batch_size = {} and training.micro_batches = {}: a batch must split "
        "evenly among {} processes and their micro-batches; set training.batch_size to a multiple "
        "of {}",
        training.batch_size, training.micro_batches, world.size, parts));
  return training.batch_size / parts;
}

Trainer::Trainer(const Config& config, const ImageStore& images, const Runtime& runtime,
                 Communicator& communicator)
    : config_(config),
      communicator_(communicator),
      rows_(rows_of_micro_batch(config.training, communicator.world())),
      data_fingerprint_(images.fingerprint()),
      device_(runtime.device),
      network_(UNet(config.model, images.channels()), torch::kFloat32, device_),
      parameters_(network_->parameters()),
      model_([net = network_.net()](
                 const torch::Tensor& x, const torch::Tensor& t,
                 const Condition& condition) mutable { return net->forward(x, t, condition); },
             NoiseSchedule(config.diffusion), device_,
             objective_of(config.diffusion, config.training), hybrid_loss(config, device_)),
      timesteps_(config, device_),
      batches_(images, batch_request(config, rows_), device_,
               config.model.class_embedding != ClassEmbeddingKind::kNone),
      contexts_(context_source(config, images, rows_, device_)),
      inputs_(device_, 3, world().size > 1 ? kAdamScalars + kRequests : kAdamScalars),
      outputs_(device_, 1 + kRequests),
      first_backward_(device_),
      next_backward_(device_),
      update_(device_) {
  const auto buffer = [&](torch::Dtype dtype) { return layout().allocate(dtype, device_); };
  state_ = {.weights = network_.flat(),
            .exp_avg = buffer(torch::kFloat32),
            .exp_avg_sq = buffer(torch::kFloat32)};
  gradients_ = buffer(gradient_dtype(config.training, world(), runtime.compute_dtype));
  initialize_weights(*network_.net(), config.model.initialization,
                     static_cast<std::uint64_t>(config.run.seed));
  if (runtime.compute_dtype != torch::kFloat32)
    state_.copy = state_.weights.to(runtime.compute_dtype);
  weights_ = state_.copy.defined() ? state_.copy : state_.weights;
  network_.bind(weights_);
  if (averages()) state_.average = state_.weights.clone();

  const auto scalar = [&](torch::Dtype dtype) {
    return torch::zeros({}, torch::TensorOptions().dtype(dtype).device(device_));
  };
  word_ =
      torch::zeros({1 + kRequests}, torch::TensorOptions().dtype(torch::kFloat64).device(device_));
  loss_ = word_.select(0, 0);
  loss_sum_ = scalar(torch::kFloat64);
  sound_steps_ = scalar(torch::kInt64);
  live_steps_ = scalar(torch::kInt64);
  bad_in_a_row_ = scalar(torch::kInt64);
  norm_ = scalar(torch::kFloat32);
  poison_ = scalar(torch::kFloat32);
  if (config.training.skip_outliers > 0) outliers_.emplace(config.training.skip_outliers, device_);
}

Requests Trainer::step(const Requests& own) {
  const TrainingConfig& training = config_.training;
  const ops::AdamSchedule schedule = schedule_of_next_step();
  for (std::int64_t i = 0; i < training.micro_batches; ++i) {
    const std::int64_t first_row = (world().rank * training.micro_batches + i) * rows_;
    set_inputs(first_row, schedule, own);
    const auto first_position = static_cast<std::uint64_t>(images_seen_ + first_row);
    batches_.prepare(first_position);
    if (contexts_) contexts_->prepare(first_position);
    const ops::Draw draw(RandomKey{.seed = static_cast<std::uint64_t>(config_.run.seed),
                                   .step = static_cast<std::uint64_t>(steps_done_),
                                   .sample = static_cast<std::uint64_t>(first_row)},
                         inputs_.integers().narrow(0, 0, 2));
    const bool accumulate = i > 0;
    (accumulate ? next_backward_ : first_backward_)([&] { backward(draw, accumulate); });
  }
  update_([&] { update_weights(schedule); });
  ++steps_done_;
  images_seen_ += training.batch_size;
  if (world().size == 1) return own;
  Requests asked;
  const std::span<const double> word = outputs_.next(word_);
  for (std::size_t i = 0; i < kRequests; ++i) asked[i] = word[1 + i] > 0;
  return asked;
}

void Trainer::set_inputs(std::int64_t first_row, const ops::AdamSchedule& schedule,
                         const Requests& own) {
  const std::array<double, kAdamScalars> scalars = ops::adam_scalars(schedule, adam_options());
  std::vector<double> floats(scalars.begin(), scalars.end());
  if (world().size > 1)
    for (std::size_t i = 0; i < kRequests; ++i) floats.push_back(own[i] ? 1 : 0);
  inputs_.set(std::array{steps_done_, first_row, images_seen_ + first_row}, floats);
}

void Trainer::backward(const ops::Draw& draw, bool accumulate) {
  const torch::Tensor& x0 = batches_.images(inputs_.integers().narrow(0, 2, 1));
  const torch::Tensor t = timesteps_.draw(draw, x0.size(0));
  const torch::Tensor noise = training_noise(draw, x0);
  const Condition whole{.labels = batches_.labels(),
                        .context = contexts_ ? contexts_->contexts() : torch::Tensor(),
                        .dropout = draw};
  const Condition condition =
      drop_labels(whole, draw, config_.training.label_dropout, config_.model.classes);
  const std::int64_t parts = world().size * config_.training.micro_batches;
  const torch::Tensor loss = model_.loss(x0, t, noise, condition) / static_cast<double>(parts);
  layout().gather(torch::autograd::grad({loss}, parameters_, {}, /*retain_graph=*/false,
                                        /*create_graph=*/false, /*allow_unused=*/true),
                  gradients_, accumulate);
  if (accumulate)
    loss_.add_(loss.detach());
  else
    loss_.copy_(loss.detach());
}

torch::Tensor Trainer::training_noise(const ops::Draw& draw, const torch::Tensor& x0) const {
  const torch::Tensor noise = ops::random_normal(draw.with_stream(RandomStream::kNoise), x0.size(0),
                                                 x0.sizes().slice(1), device_);
  const double offset = config_.training.offset_noise;
  if (offset == 0) return noise;
  return noise + offset * ops::random_normal(draw.with_stream(RandomStream::kOffsetNoise),
                                             x0.size(0), {x0.size(1), 1, 1}, device_);
}

void Trainer::update_weights(const ops::AdamSchedule& schedule) {
  if (world().size > 1) {
    word_.narrow(0, 1, kRequests).copy_(inputs_.floats().narrow(0, kAdamScalars, kRequests));
    communicator_.sum(std::array{gradients_, word_});
  }
  const torch::Tensor norm = ops::gradient_norm(gradients_);
  bad_in_a_row_.add_(1).mul_(norm.isfinite().logical_not());
  poison_.masked_fill_(bad_in_a_row_ > tolerated_bad_steps(config_.training),
                       std::numeric_limits<float>::quiet_NaN());
  norm_.copy_(norm + poison_);
  // A norm of NaN skips the step.
  if (outliers_)
    norm_.masked_fill_(outliers_->observe(loss_), std::numeric_limits<float>::quiet_NaN());
  ops::adam_step(state_, gradients_, norm_, schedule, adam_options());
  const torch::Tensor sound = norm_.isfinite();
  live_steps_.add_(poison_.isfinite());
  sound_steps_.add_(sound);
  loss_sum_.add_(loss_.masked_fill(sound.logical_not(), 0));
}

ops::AdamOptions Trainer::adam_options() const {
  const TrainingConfig& training = config_.training;
  return {.beta1 = training.beta1,
          .beta2 = training.beta2,
          .epsilon = training.epsilon,
          .weight_decay = training.weight_decay,
          .clip_norm = training.clip_norm,
          .decoupled = training.optimizer == Optimizer::kAdamw};
}

ops::AdamSchedule Trainer::schedule_of_next_step() const {
  const TrainingConfig& training = config_.training;
  return {.step = steps_done_ + 1,
          .learning_rate = learning_rate(training, steps_done_ + 1),
          .average_share = 1.0 - ema_decay(training, steps_done_),
          .on_device = inputs_.floats()};
}

TrainingTotals Trainer::totals() const {
  const std::int64_t queued = steps_done_ - first_step_;
  const auto live = live_steps_.item<std::int64_t>();
  if (live < queued) {
    const std::int64_t step = first_step_ + live + 1;
    const std::int64_t tolerated = tolerated_bad_steps(config_.training);
    throw NonFiniteError(format_text(
        "step {} (learning rate {:.3g}): the gradient is not finite{}; this step and later ones "
        "did not change the weights",
        step, learning_rate(config_.training, step),
        tolerated > 0 ? ", nor was it in the " + counted(tolerated, "step") + " before" : ""));
  }
  return {.steps = queued,
          .skipped = queued - sound_steps_.item<std::int64_t>(),
          .loss_sum = loss_sum_.item<double>(),
          .gradient_norm = norm_.item<double>()};
}

TrainerSnapshot Trainer::snapshot() {
  static_cast<void>(totals());
  std::vector<torch::Tensor> buffers = {state_.weights, state_.exp_avg, state_.exp_avg_sq};
  if (averages()) buffers.push_back(state_.average);
  const std::optional<std::vector<torch::Tensor>> copies = host_copies_.copy(buffers);
  // A finite gradient can still overflow a weight.
  if (!copies)
    throw NonFiniteError(
        format_text("after step {} (learning rate {:.3g}), weights or moments are not finite",
                    steps_done_, learning_rate(config_.training, steps_done_)));
  return {.model = layout().views(copies->at(0)),
          .optimizer = optimizer_tensors(layout(), copies->at(1), copies->at(2)),
          .ema = averages() ? layout().views(copies->at(3)) : std::vector<NamedTensor>{},
          .state = {.step = steps_done_,
                    .images_seen = images_seen_,
                    .config = config_,
                    .data_fingerprint = data_fingerprint_,
                    .loss_statistics =
                        outliers_ ? std::optional(outliers_->statistics()) : std::nullopt}};
}

double TrainingTotals::mean_loss_since(const TrainingTotals& before) const {
  const std::int64_t sound = (steps - skipped) - (before.steps - before.skipped);
  return (loss_sum - before.loss_sum) / static_cast<double>(sound);
}

void Trainer::load(const std::filesystem::path& folder) {
  const TrainingState state = read_training_state(folder);
  load_tensors(SafetensorsFile(folder / "model.safetensors"), layout().views(state_.weights));
  load_tensors(SafetensorsFile(folder / "optimizer.safetensors"),
               optimizer_tensors(layout(), state_.exp_avg, state_.exp_avg_sq));
  if (averages()) {
    const std::filesystem::path ema = folder / "ema.safetensors";
    // Averaging may have been switched on since the save; it then starts from the weights.
    if (std::filesystem::exists(ema) || state.config.training.ema_decay > 0)
      load_tensors(SafetensorsFile(ema), layout().views(state_.average));
    else
      state_.average.copy_(state_.weights);
  }
  round_weights();
  for (const torch::Tensor& total : {loss_sum_, sound_steps_, live_steps_}) total.zero_();
  if (outliers_) outliers_->set_statistics(state.loss_statistics.value_or(LossStatistics{}));
  first_step_ = steps_done_ = state.step;
  images_seen_ = state.images_seen;
}

std::int64_t Trainer::checksum() const {
  return state_.weights.view(torch::kInt32).sum(torch::kInt64).item<std::int64_t>();
}

void Trainer::start_from(const TensorSet& tensors, TensorFit fit) {
  load_tensors(tensors, layout().views(state_.weights), fit);
  torch::NoGradGuard no_grad;
  round_weights();
  if (averages()) state_.average.copy_(state_.weights);
}

void Trainer::round_weights() {
  torch::NoGradGuard no_grad;
  if (state_.copy.defined()) state_.copy.copy_(state_.weights);
}

void Trainer::share_state() {
  const LossStatistics losses = outliers_ ? outliers_->statistics() : LossStatistics{};
  const torch::Tensor counters =
      torch::tensor({steps_done_, images_seen_}, torch::kInt64).to(device_);
  const torch::Tensor statistics =
      torch::tensor({losses.count, losses.mean, losses.variance}, torch::kFloat64).to(device_);
  std::vector<torch::Tensor> state = {state_.weights, state_.exp_avg, state_.exp_avg_sq, counters,
                                      statistics};
  if (averages()) state.push_back(state_.average);
  communicator_.broadcast(state);
  round_weights();
  first_step_ = steps_done_ = counters[0].item<std::int64_t>();
  images_seen_ = counters[1].item<std::int64_t>();
  if (outliers_)
    outliers_->set_statistics({.count = statistics[0].item<double>(),
                               .mean = statistics[1].item<double>(),
                               .variance = statistics[2].item<double>()});
}

}  // namespace ddpm
