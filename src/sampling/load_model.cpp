#include "ddpm/sampling/load_model.h"

#include <algorithm>

#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/config/validate.h"
#include "ddpm/diffusion/schedule.h"
#include "ddpm/nn/bound_network.h"
#include "ddpm/nn/initialize.h"

namespace ddpm {
namespace {

// Compares the table of betas in the file with the noise schedule of the config, and takes the
// schedule from the table if the files say nothing else of the process.
void check_schedule(const ModelFile& file, std::span<const ConfigOverride> overrides,
                    LoadedModel& model) {
  DiffusionConfig& diffusion = model.config.diffusion;
  if (file.betas.empty() || matches(NoiseSchedule(diffusion), file.betas)) return;
  const std::string path = file.weights.string();
  const auto is_beta = [](double beta) { return beta > 0 && beta < 1; };
  if (!std::ranges::all_of(file.betas, is_beta))
    return log_warning("{}: its table of betas has values outside (0, 1) and is passed over", path);
  const std::optional<DiffusionConfig> found = schedule_of(file.betas, diffusion);
  if (!file.process_is_assumed || find_override(overrides, "diffusion.") != nullptr) {
    log_warning(
        "{}: its table of betas is not the noise schedule of the config{}", path,
        found ? format_text(", but {} of {} timesteps", found->schedule, found->timesteps) : "");
  } else if (found) {
    diffusion = *found;
    log_info("{}: by its table of betas the noise schedule is {} of {} timesteps", path,
             diffusion.schedule, diffusion.timesteps);
  } else {
    model.obstacle = "its table of betas is none of the noise schedules here; set diffusion.*";
  }
}

}  // namespace

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
                       TensorFit fit, const BeforeWeights& before_weights) {
  // Which weights to open is an option too, and it is needed before the model's config is read.
  const SamplingConfig defaults = config_of_run(path).value_or(Config{}).sampling;
  const SamplingConfig sampling = apply_overrides({.sampling = defaults}, overrides).sampling;
  const bool is_default = find_override(overrides, "sampling.weights") == nullptr &&
                          defaults.weights == SamplingConfig{}.weights;
  const ModelFile file =
      open_model(path, is_default ? std::nullopt : std::optional(sampling.weights), overrides);
  LoadedModel model;
  model.path = path;
  model.kind = file.kind;
  model.obstacle = file.obstacle;
  model.autoencoder = file.autoencoder;
  model.config = file.config;
  // The device and threads of the training do not matter on this machine.
  model.config.run = RunConfig{};
  if (file.format != ModelFormat::kDiffusers) model.config.sampling = defaults;
  model.config = apply_overrides(model.config, overrides);
  check_schedule(file, overrides, model);
  validate(model.config);
  DataConfig& data = model.config.data;
  if (data.height == 0) data.height = data.width;
  if (data.width == 0) data.width = data.height;
  model.runtime = set_up_runtime(runtime_options(model.config.run));
  model.config.run.precision = model.runtime.precision;
  if (before_weights) before_weights(model.config, model.runtime);

  const BoundNetwork<UNet> network(UNet(model.config.model, model.config.data.channels),
                                   model.runtime.compute_dtype, model.runtime.device);
  model.net = network.net();
  if (fit != TensorFit::kExact)
    initialize_weights(*model.net, model.config.model.initialization, 0);
  load_tensors(file.tensors, network.tensors(), fit);
  model.net->eval();
  // Only now: a file that does not fit is refused at once. Reading gigabytes must not delay the images.
  model.sha256 = std::async(std::launch::async, [file] { return file.sha256(); }).share();
  log_debug("weights: {}", file.weights.string());
  return model;
}

}  // namespace ddpm
