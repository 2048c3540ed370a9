// Training, written once for every device: the algorithm of Ho et al. on flat parameter buffers.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/data/batch_source.h"
#include "ddpm/data/image_store.h"
#include "ddpm/device/replay.h"
#include "ddpm/device/runtime.h"
#include "ddpm/device/step_inputs.h"
#include "ddpm/diffusion/denoise_model.h"
#include "ddpm/io/weights.h"
#include "ddpm/nn/bound_network.h"
#include "ddpm/nn/unet.h"
#include "ddpm/ops/adam.h"
#include "ddpm/training/outliers.h"
#include "ddpm/training/snapshot.h"

namespace ddpm {

// What this process has trained so far.
struct TrainingTotals {
  std::int64_t steps = 0;
  std::int64_t skipped = 0;  // of these, left out: gradient not finite, or loss an outlier
  double loss_sum = 0;       // over the others, of the mean loss of each batch
  double gradient_norm = 0;  // of the last step: Euclidean, before clipping; NaN if left out

  // Mean loss of the steps since `before`; NaN if there were none.
  double mean_loss_since(const TrainingTotals& before) const;
};

// Owns network, optimiser state and moving average. Everything random is a function of (seed, step,
// position in the batch), so the state to save is the buffers and two counters.
class Trainer {
 public:
  // A fresh network. `config` is valid and its data section describes `images`, which must outlive
  // the trainer.
  Trainer(const Config& config, const ImageStore& images, const Runtime& runtime);

  // One optimiser step: draw t and noise, corrupt, predict, loss, backward, clip, Adam, average. On
  // a GPU the step is queued and may still be under way when this returns.
  void step();

  // Waits for all steps. Throws NonFiniteError if the gradient of one was not finite, or of more in
  // a row than training.on_nonfinite lets pass; from the first of these on no weight has changed.
  TrainingTotals totals() const;

  std::int64_t steps_done() const { return steps_done_; }
  std::int64_t images_seen() const { return images_seen_; }
  const ParameterLayout& layout() const { return network_.layout(); }

  // A copy of the state, in memory that is used again when nobody has the copy any more. Throws as
  // totals() does, and NonFiniteError if any of it is not finite: such a state is never saved.
  TrainerSnapshot snapshot();

  // Restores exactly the state that write_snapshot wrote. Throws CheckpointError if anything is
  // missing or does not fit, and IoError.
  void load(const std::filesystem::path& folder);

  // Starts from the weights of another model: step 0, no moments, the average equal to the weights.
  // Throws CheckpointError as load_tensors does.
  void start_from(const TensorSet& tensors, MissingTensors missing);

  // Calls `use(network)` with the averaged weights in place (the raw ones where averaging is off).
  template <class Use>
  void with_average_weights(const Use& use);

 private:
  void backward(const ops::Draw& draw, bool accumulate);
  void update_weights(const ops::AdamSchedule& schedule);
  ops::AdamOptions adam_options() const;
  ops::AdamSchedule schedule_of_next_step() const;
  void set_inputs(std::int64_t first_row, const ops::AdamSchedule& schedule);
  bool averages() const { return config_.training.ema_decay > 0; }

  Config config_;
  std::string data_fingerprint_;
  torch::Device device_;
  BoundNetwork<UNet> network_;
  std::vector<torch::Tensor> parameters_;  // of network_
  DenoiseModel model_;
  BatchSource batches_;

  // Flat buffers of layout(). state_.weights is float32; weights_ is what the network computes with:
  // the same buffer in float32, state_.copy in bf16.
  ops::AdamState state_;
  torch::Tensor weights_, gradients_;

  // What changes from step to step, and the parts of a step, which a GPU records and replays.
  StepInputs inputs_;
  Replay first_backward_, next_backward_, update_;

  // On the device, so that no step waits for the host: the totals; steps in a row whose gradient
  // was not finite; the last gradient's norm, and what is added to it: nothing, or NaN for good
  // once those were too many.
  torch::Tensor loss_, loss_sum_, sound_steps_, live_steps_, bad_in_a_row_, norm_, poison_;

  std::optional<OutlierLosses> outliers_;  // with training.skip_outliers
  HostCopies host_copies_;
  std::int64_t first_step_ = 0;  // where this process began
  std::int64_t steps_done_ = 0;
  std::int64_t images_seen_ = 0;
};

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
