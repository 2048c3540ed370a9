// A trained network, ready to predict.
#pragma once

#include <filesystem>
#include <functional>
#include <future>
#include <span>
#include <string>
#include <vector>

#include "ddpm/config/loader.h"
#include "ddpm/device/runtime.h"
#include "ddpm/diffusion/denoise_model.h"
#include "ddpm/io/model_file.h"
#include "ddpm/io/weights.h"
#include "ddpm/nn/unet.h"

namespace ddpm {

struct LoadedModel {
  std::filesystem::path path;  // as it was named
  Config config;  // as trained, with the overrides; `run` is for this process, not for the training
  Runtime runtime;
  UNet net{nullptr};
  std::shared_future<std::string> sha256;  // of the weights file; read in a thread of its own
  WeightKind kind = WeightKind::kUnknown;  // what the weights are, as far as the files tell
  std::string obstacle;                    // why no images can be sampled from it; "": they can
  std::string autoencoder;                 // whose latents its images are (io/model_file.h); ""

  // The weights with the network's own names; they are not copied.
  std::vector<NamedTensor> weights() const;

  // Predicts without gradients and keeps the network alive. Conditions must lie on the device.
  Predictor predictor() const;
};

// Called before the memory for weights is allocated, with the complete config and the device; may
// throw to refuse the model.
using BeforeWeights = std::function<void(const Config&, const Runtime&)>;

// Opens the model (io/model_file.h), applies the overrides to its config, sets up the device and
// loads the weights that sampling.weights names. With TensorFit::kMayLack, tensors that the file
// lacks are initialised as for training. If only one side of its images is known, they are squares;
// both are 0 if nothing says their size. Throws CheckpointError, ConfigError, DeviceError.
LoadedModel load_model(const std::filesystem::path& path, std::span<const ConfigOverride> overrides,
                       TensorFit fit = TensorFit::kExact, const BeforeWeights& before_weights = {});

}  // namespace ddpm
