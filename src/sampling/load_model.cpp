#include "ddpm/sampling/load_model.h"

#include "ddpm/base/log.h"
#include "ddpm/config/validate.h"
#include "ddpm/nn/bound_network.h"
#include "ddpm/nn/initialize.h"

namespace ddpm {

std::vector<NamedTensor> LoadedModel::weights() const {
  std::vector<NamedTensor> tensors;
  for (const auto& item : net->named_parameters())
    tensors.push_back({item.key(), item.value().detach()});
  return tensors;
}

Predictor LoadedModel::predictor() const {
  return [net = net](const torch::Tensor& x, const torch::Tensor& t,
                     const Condition& condition) mutable {
    torch::NoGradGuard no_grad;
    return net->forward(x, t, condition);
  };
}

LoadedModel load_model(const std::filesystem::path& path, std::span<const ConfigOverride> overrides,
                       MissingTensors missing) {
  // Which weights to open is an option too, and it is needed before the model's config is read.
  const SamplingConfig defaults = sampling_defaults(path);
  const SamplingConfig sampling = apply_overrides({.sampling = defaults}, overrides).sampling;
  const ModelFile file = open_model(path, sampling.weights, overrides);
  LoadedModel model;
  model.config = file.config;
  // The device and threads of the training do not matter on this machine.
  model.config.run = RunConfig{};
  if (file.format != ModelFormat::kDiffusers) model.config.sampling = defaults;
  model.config = apply_overrides(model.config, overrides);
  validate(model.config);
  model.sha256 = file.sha256;
  const RunConfig& run = model.config.run;
  model.runtime = set_up_runtime({.device = run.device,
                                  .precision = run.precision,
                                  .threads = run.threads,
                                  .deterministic = run.deterministic});

  const BoundNetwork<UNet> network(UNet(model.config.model, model.config.data.channels),
                                   model.runtime.compute_dtype, model.runtime.device);
  model.net = network.net();
  if (missing == MissingTensors::kKeep)
    initialize_weights(*model.net, model.config.model.initialization, 0);
  load_tensors(file.tensors, network.tensors(), missing);
  model.net->eval();
  log_debug("weights: {}", file.weights.string());
  return model;
}

}  // namespace ddpm
