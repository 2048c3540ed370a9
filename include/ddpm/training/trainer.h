// Training, written once for every device: the algorithm of Ho et al. on flat parameter buffers.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>

#include "ddpm/config/config.h"
#include "ddpm/data/batch.h"
#include "ddpm/data/image_store.h"
#include "ddpm/diffusion/denoise_model.h"
#include "ddpm/nn/parameter_layout.h"
#include "ddpm/nn/unet.h"
#include "ddpm/ops/runtime.h"

namespace ddpm {

struct StepResult {
  double loss = 0;           // mean over the batch
  double gradient_norm = 0;  // Euclidean, before clipping
  double learning_rate = 0;
};

// Owns network, optimiser state and moving average. Everything random is a function of (seed, step,
// position in the batch), so the state to save is the buffers and two counters.
class Trainer {
 public:
  // A fresh network. `config` is valid and its data section describes `images`, which must outlive
  // the trainer.
  Trainer(const Config& config, const ImageStore& images, const Runtime& runtime);

  // One optimiser step: draw t and noise, corrupt, predict, loss, backward, clip, Adam, average.
  // Throws NonFiniteError before any weight changes if loss or gradient are not finite.
  StepResult step();

  std::int64_t steps_done() const { return steps_done_; }
  std::int64_t images_seen() const { return images_seen_; }
  const ParameterLayout& layout() const { return layout_; }

  // Writes model, ema and optimizer .safetensors and state.json into an existing folder / restores
  // exactly that state. Loading throws CheckpointError if anything is missing or does not fit, and
  // IoError.
  void save(const std::filesystem::path& folder) const;
  void load(const std::filesystem::path& folder);

  // Calls `use(network)` with the averaged weights in place (the raw ones where averaging is off).
  template <class Use>
  void with_average_weights(const Use& use);

 private:
  struct MicroBatch {
    std::uint64_t first_position;  // in the whole training
    std::uint64_t first_row;       // in the step's batch
    std::int64_t count;
  };
  torch::Tensor micro_batch_loss(const MicroBatch& micro);
  double backward_through_batch();
  void update_weights(const torch::Tensor& gradients, const torch::Tensor& norm);
  void bind_network(const torch::Tensor& flat) { layout_.bind_parameters(*net_, flat); }
  bool averages() const { return config_.training.ema_decay > 0; }

  Config config_;
  const ImageStore& images_;
  torch::Device device_;
  UNet net_;
  ParameterLayout layout_;
  DenoiseModel model_;

  // Flat buffers of layout_. master_ is float32; weights_ is what the network computes with:
  // master_ itself in float32, a rounded copy in bf16.
  torch::Tensor master_, weights_, gradients_, first_moment_, second_moment_, average_;
  std::optional<RandomKey> dropout_key_;  // of the micro-batch in progress

  std::int64_t steps_done_ = 0;
  std::int64_t images_seen_ = 0;
};

template <class Use>
void Trainer::with_average_weights(const Use& use) {
  struct Restore {
    Trainer* trainer;
    ~Restore() { trainer->bind_network(trainer->weights_); }
  };
  const Restore restore{this};
  if (averages()) bind_network(average_.to(weights_.scalar_type()));
  use(net_);
}

}  // namespace ddpm
