// Training, with the same code for every device: the algorithm of Ho et al. on flat parameter
// buffers.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/data/batch_source.h"
#include "ddpm/data/context_source.h"
#include "ddpm/data/image_store.h"
#include "ddpm/device/replay.h"
#include "ddpm/device/runtime.h"
#include "ddpm/device/step_inputs.h"
#include "ddpm/device/step_outputs.h"
#include "ddpm/diffusion/denoise_model.h"
#include "ddpm/distributed/communicator.h"
#include "ddpm/io/weights.h"
#include "ddpm/nn/bound_network.h"
#include "ddpm/nn/unet.h"
#include "ddpm/ops/adam.h"
#include "ddpm/training/outliers.h"
#include "ddpm/training/requests.h"
#include "ddpm/training/snapshot.h"
#include "ddpm/training/timestep_sampler.h"

namespace ddpm {

// The steps that this process has made so far.
struct TrainingTotals {
  std::int64_t steps = 0;
  std::int64_t skipped = 0;  // steps left out: gradient not finite, or loss an outlier
  double loss_sum = 0;       // sum of the mean losses of the batches of the other steps
  double gradient_norm = 0;  // last step's Euclidean norm before clipping; NaN if left out

  // The mean loss of the steps since `before` that were not left out; NaN if there were none.
  double mean_loss_since(const TrainingTotals& before) const;
};

// Owns network, optimiser state and moving average. Everything random is a function of (seed, step,
// position in the batch), so only the buffers, two counters and the statistics of the losses need
// to be saved.
//
// With k processes, rank r computes rows [r B/k, (r+1) B/k) of each batch of B =
// training.batch_size images, in its own micro-batches. It divides its loss and gradient by k, so
// that the sum over all ranks, which begins the update, is that of the batch. Everything after it is
// computed from sums, so all ranks have the same weights and averages without a further word. If sums are
// added in the order of ranks, k ranks with one micro-batch each equal one process with k micro-batches bit
// for bit.
class Trainer {
 public:
  // Initialises a new network. `config` must be valid, and its data section must describe `images`,
  // which must outlive the trainer, as `communicator` must, whose device is that of `runtime`. Throws
  // ConfigError as rows_of_micro_batch does, and DataError if data.context does not fit the images.
  Trainer(const Config& config, const ImageStore& images, const Runtime& runtime,
          Communicator& communicator = alone());

  // Makes one optimiser step: draw t and noise, corrupt, predict, loss, backward, clip, Adam,
  // average. On a GPU the step is queued and may still be running when this returns. Each process says
  // what it asks for, and all learn in the same step what any of them has asked for in an earlier one
  // (StepOutputs), so that they can stop after the same step. A process alone gets back its own requests.
  Requests step(const Requests& own = {});

  // Waits for all steps. Throws NonFiniteError if the gradient of a step was not finite, or with
  // training.on_nonfinite = skip, those of more than max_skipped_steps in a row; no weight has
  // changed since the first of these.
  TrainingTotals totals() const;

  std::int64_t steps_done() const { return steps_done_; }
  std::int64_t images_seen() const { return images_seen_; }
  const ParameterLayout& layout() const { return network_.layout(); }

  // Copies the state. The memory is reused when the copy is no longer in use. Throws as totals()
  // does, and NonFiniteError if a value is not finite: such a state is never saved.
  TrainerSnapshot snapshot();

  // Restores exactly the state that write_snapshot wrote. Throws CheckpointError if anything is
  // missing or does not fit, and IoError.
  void load(const std::filesystem::path& folder);

  // Gives all processes the state of rank 0, which has called load or start_from, or has not.
  void share_state();

  // A sum over the bits of the weights, to compare those of several processes. Waits for all steps.
  std::int64_t checksum() const;

  // Starts from the weights of another model: step 0, moments 0, the average equal to the weights.
  // Throws CheckpointError as load_tensors does.
  void start_from(const TensorSet& tensors, TensorFit fit);

  // Calls `use(network)` with the averaged weights in the network, or the raw ones without
  // averaging.
  template <class Use>
  void with_average_weights(const Use& use);

 private:
  void backward(const ops::Draw& draw, bool accumulate);
  torch::Tensor training_noise(const ops::Draw& draw, const torch::Tensor& x0) const;
  void update_weights(const ops::AdamSchedule& schedule);
  ops::AdamOptions adam_options() const;
  ops::AdamSchedule schedule_of_next_step() const;
  void set_inputs(std::int64_t first_row, const ops::AdamSchedule& schedule, const Requests& own);
  void round_weights();
  const World& world() const { return communicator_.world(); }
  bool averages() const { return config_.training.ema_decay > 0; }

  Config config_;
  Communicator& communicator_;
  std::int64_t rows_;  // images of a micro-batch
  std::string data_fingerprint_;
  torch::Device device_;
  BoundNetwork<UNet> network_;
  std::vector<torch::Tensor> parameters_;  // of network_
  DenoiseModel model_;
  TimestepSampler timesteps_;
  BatchSource batches_;
  std::optional<ContextSource> contexts_;  // if the network has transformers

  // Flat buffers of layout(). state_.weights is float32. The network computes with weights_, which
  // is the same buffer with float32 and state_.copy with bf16.
  ops::AdamState state_;
  torch::Tensor weights_, gradients_;

  // The numbers that change from step to step, and the parts of a step, which a GPU records and
  // replays.
  StepInputs inputs_;
  StepOutputs outputs_;
  Replay first_backward_, next_backward_, update_;

  // These are on the device, so that no step waits for the host: the totals; how many of the last
  // steps in a row had a gradient that was not finite; the last gradient's norm; and poison_, which
  // is added to the norm: 0, or NaN for ever once there were too many such steps.
  // word_ is what processes add up beside their gradients, float64: loss_, the mean loss of the step, and how
  // many make each request.
  torch::Tensor word_, loss_, loss_sum_, sound_steps_, live_steps_, bad_in_a_row_, norm_, poison_;

  std::optional<OutlierLosses> outliers_;  // with training.skip_outliers
  HostCopies host_copies_;
  std::int64_t first_step_ = 0;  // the step at which this process began
  std::int64_t steps_done_ = 0;
  std::int64_t images_seen_ = 0;
};

// The images of a micro-batch. Throws ConfigError unless a batch splits evenly into the micro-batches of all
// processes.
std::int64_t rows_of_micro_batch(const TrainingConfig& training, const World& world);

template <class Use>
void Trainer::with_average_weights(const Use& use) {
  struct Restore {
    Trainer* trainer;
    ~Restore() { trainer->network_.bind(trainer->weights_); }
  };
  const Restore restore{this};
  if (averages()) network_.bind(state_.average.to(weights_.scalar_type()));
  UNet net = network_.net();
  use(net);
}

}  // namespace ddpm
