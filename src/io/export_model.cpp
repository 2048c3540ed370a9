#include "ddpm/io/export_model.h"

#include <algorithm>
#include <cmath>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/interop/architecture.h"
#include "ddpm/interop/diffusers.h"
#include "ddpm/interop/translate.h"
#include "ddpm/io/model_file.h"
#include "ddpm/io/weights.h"

namespace ddpm {
namespace {

constexpr const char* kCompVisPrefix = "model.diffusion_model.";

torch::Dtype parse_dtype(const std::string& name) {
  if (name == "fp32") return torch::kFloat32;
  if (name == "fp16") return torch::kFloat16;
  if (name == "bf16") return torch::kBFloat16;
  throw ConfigError("--dtype: '" + name + "' is none of fp32, fp16, bf16");
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

// w86763777/pytorch-ddpm keeps its sinusoids in the file, sine and cosine alternating, [T,
// base_width].
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
                            const std::string& target, torch::Dtype dtype) {
  const ModelConfig& network = config.model;
  std::vector<NamedTensor> all = converted(weights, dtype);
  if (target == "ddpm" || target == network.names) return to_tensor_set(all);
  if (target == "pytorch_ddpm") all.push_back(sinusoid_table(config, dtype));
  const std::string scheme = target == "compvis" ? "openai" : target;
  TensorSet result = to_layout(to_tensor_set(all), Layout::of(scheme, network), network);
  if (target == "compvis")
    for (TensorView& view : result.tensors) view.name = kCompVisPrefix + view.name;
  return result;
}

void check_representable(const Config& config, const std::string& target) {
  if (target == "ddpm" || target == "diffusers") return;  // the latter by writing its configs
  check_layout(config.model, {.scheme = target == "compvis" ? "openai" : target});
}

// Fills a folder beside the final one and renames it.
class NewFolder {
 public:
  explicit NewFolder(const fs::path& path)
      : path_(path.has_filename() ? path : path.parent_path()),
        temporary_(path_.parent_path() / (".writing_" + path_.filename().string())) {
    if (fs::exists(path_) && !(fs::is_directory(path_) && fs::is_empty(path_)))
      throw ConfigError(path_.string() +
                        ": exists and is no empty folder; choose another --output, or remove it");
    fs::remove_all(temporary_);
    make_directories(temporary_);
  }
  ~NewFolder() {
    std::error_code ignored;
    fs::remove_all(temporary_, ignored);
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  // Where to write the file that will be `name` in the folder.
  fs::path add(const fs::path& name) {
    make_directories((temporary_ / name).parent_path());
    files_.push_back(path_ / name);
    return temporary_ / name;
  }
  std::vector<fs::path> finish() {
    sync_directory(temporary_);
    std::error_code ignored;
    fs::remove(path_, ignored);  // empty
    rename_durably(temporary_, path_);
    return files_;
  }

 private:
  fs::path path_, temporary_;
  std::vector<fs::path> files_;
};

void write_json(const fs::path& path, const nlohmann::ordered_json& document) {
  write_file_atomically(path, document.dump(2) + "\n");
}

}  // namespace

std::vector<std::string> export_targets() {
  return {"diffusers", "ddpm", "ho", "pytorch_ddpm", "openai", "compvis", "labml"};
}

std::vector<fs::path> export_model(const Config& config, const std::vector<NamedTensor>& weights,
                                   const ExportRequest& request, const fs::path& folder) {
  const std::vector<std::string> targets = export_targets();
  if (std::ranges::find(targets, request.target) == targets.end())
    throw ConfigError("--to: '" + shorten(request.target) + "' is none of " + join(targets));
  const torch::Dtype dtype = parse_dtype(request.dtype);
  check_representable(config, request.target);
  const bool diffusers = request.target == "diffusers";
  const nlohmann::ordered_json unet = diffusers ? unet_config(config) : nullptr,
                               scheduler = diffusers ? scheduler_config(config) : nullptr;
  const TensorSet tensors = tensors_in_layout(config, weights, request.target, dtype);

  NewFolder output(folder);
  const bool own_names = diffusers || request.target == "ddpm";
  write_safetensors(
      output.add(diffusers ? "unet/diffusion_pytorch_model.safetensors" : "model.safetensors"),
      tensors.tensors, model_metadata(config, own_names ? "" : request.target));
  if (diffusers) {
    write_json(output.add("unet/config.json"), unet);
    write_json(output.add("scheduler/scheduler_config.json"), scheduler);
    write_json(output.add("model_index.json"), pipeline_index(config));
  }
  return output.finish();
}

}  // namespace ddpm
