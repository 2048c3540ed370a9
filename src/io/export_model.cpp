#include "ddpm/io/export_model.h"

#include <cmath>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/new_folder.h"
#include "ddpm/interop/diffusers.h"
#include "ddpm/interop/find_networks.h"
#include "ddpm/interop/requirements.h"
#include "ddpm/interop/translate.h"
#include "ddpm/io/model_file.h"
#include "ddpm/io/weights.h"

namespace ddpm {
namespace {

torch::Dtype dtype_of(ExportType type) {
  switch (type) {
    case ExportType::kFp32:
      return torch::kFloat32;
    case ExportType::kFp16:
      return torch::kFloat16;
    case ExportType::kBf16:
      return torch::kBFloat16;
  }
  return torch::kFloat32;
}

std::vector<NamedTensor> converted(const std::vector<NamedTensor>& weights, torch::Dtype dtype) {
  std::vector<NamedTensor> tensors;
  for (const auto& [name, weight] : weights) {
    const torch::Tensor value = weight.to(dtype);
    if (value.isinf().any().item<bool>() && !weight.isinf().any().item<bool>())
      throw ConfigError("--dtype: " + name + " has values beyond the range of fp16; use bf16");
    tensors.push_back({name, value});
  }
  return tensors;
}

// w86763777/pytorch-ddpm keeps its sinusoids in the file: [T, base_width], sine and cosine
// alternating.
NamedTensor sinusoid_table(const Config& config, torch::Dtype dtype) {
  const std::int64_t half = config.model.base_width / 2;
  const torch::Tensor frequencies =
      (torch::arange(half, torch::kFloat64) * (-std::log(10000.0) / static_cast<double>(half)))
          .exp();
  const torch::Tensor angles =
      torch::arange(config.diffusion.timesteps, torch::kFloat64).unsqueeze(1) * frequencies;
  return {"time_embedding.timembedding.0.weight",
          torch::stack({angles.sin(), angles.cos()}, 2).flatten(1).to(dtype)};
}

TensorSet tensors_in_layout(const Config& config, const std::vector<NamedTensor>& weights,
                            ModelFormat target, torch::Dtype dtype) {
  const ModelConfig& network = config.model;
  std::vector<NamedTensor> all = converted(weights, dtype);
  const std::optional<NamingScheme> scheme = scheme_of(target);
  if (!scheme || scheme == network.names) return to_tensor_set(all);
  if (target == ModelFormat::kPytorchDdpm) all.push_back(sinusoid_table(config, dtype));
  TensorSet result = to_layout(to_tensor_set(all), Layout::of(*scheme, network), network);
  if (target == ModelFormat::kCompvis)
    for (TensorView& view : result.tensors) view.name = kCompVisPrefix + view.name;
  return result;
}

void check_representable(const Config& config, ModelFormat target) {
  const std::optional<NamingScheme> scheme = scheme_of(target);
  if (!scheme || scheme == NamingScheme::kDiffusers)
    return;  // writing its configs checks diffusers
  check_layout(config.model, {.scheme = *scheme});
}

void write_json(const fs::path& path, const nlohmann::ordered_json& document) {
  write_file_atomically(path, document.dump(2) + "\n");
}

}  // namespace

std::vector<fs::path> export_model(const Config& config, const std::vector<NamedTensor>& weights,
                                   const ExportRequest& request, const fs::path& folder) {
  check_representable(config, request.target);
  const bool diffusers = request.target == ModelFormat::kDiffusers;
  const nlohmann::ordered_json unet = diffusers ? unet_config(config) : nullptr,
                               scheduler = diffusers ? scheduler_config(config) : nullptr;
  const TensorSet tensors =
      tensors_in_layout(config, weights, request.target, dtype_of(request.dtype));

  NewFolder output(folder);
  const bool own_names = diffusers || request.target == ModelFormat::kDdpm;
  write_safetensors(
      output.add(diffusers ? "unet/diffusion_pytorch_model.safetensors" : "model.safetensors"),
      tensors.tensors, own_names ? model_metadata(config) : model_metadata(config, request.target));
  if (diffusers) {
    write_json(output.add("unet/config.json"), unet);
    write_json(output.add("scheduler/scheduler_config.json"), scheduler);
    // A pipeline of a network with transformers has further parts, which are not here.
    const nlohmann::ordered_json index = pipeline_index(config);
    if (config.model.context_width == 0 && !index.is_null())
      write_json(output.add("model_index.json"), index);
  }
  return output.finish();
}

}  // namespace ddpm
