#include "ddpm/io/inception_file.h"

#include <string>
#include <vector>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/weight_file.h"
#include "ddpm/interop/find_networks.h"
#include "ddpm/io/weights.h"

namespace ddpm {
namespace {

constexpr std::string_view kFirst = "Conv2d_1a_3x3.conv.weight", kFilter = ".conv.weight";
constexpr double kEpsilon = 0.001;
constexpr std::int64_t kClasses = 1008, kClassesOfTorchvision = 1000;

TensorSet find_inception(const std::filesystem::path& path) {
  const std::vector<StateDict> dictionaries = read_state_dicts(path);
  for (const StateDict& dictionary : dictionaries)
    for (const TensorView& view : dictionary.set.tensors)
      if (view.name.ends_with(kFirst))
        return without_prefix(dictionary.set,
                              view.name.substr(0, view.name.size() - kFirst.size()));
  throw CheckpointError(
      format_text("{}: there is no Inception-v3 with torchvision's names in it:{}", shown(path),
                  describe_dictionaries(dictionaries)));
}

// The tensor in float64.
torch::Tensor read(const TensorSet& set, const std::string& name) {
  const TensorView* view = set.find(name);
  if (view == nullptr)
    throw CheckpointError(format_text("{}: '{}' is missing", shown(set.path), name));
  return to_tensor(*view).to(torch::kFloat64);
}

// The numbers of a batch norm, one for each of `channels`.
torch::Tensor read_norm(const TensorSet& set, const std::string& name, std::int64_t channels) {
  torch::Tensor values = read(set, name);
  if (values.sizes() != torch::IntArrayRef({channels}))
    throw CheckpointError(
        format_text("{}: '{}' must have the shape [{}]", shown(set.path), name, channels));
  return values;
}

void append_convolution(const TensorSet& set, const std::string& module,
                        std::vector<NamedTensor>& tensors) {
  const torch::Tensor weight = read(set, module + ".conv.weight");
  if (weight.dim() != 4)
    throw CheckpointError(
        format_text("{}: '{}.conv.weight' must have four dimensions", shown(set.path), module));
  const auto norm = [&](const char* name) {
    return read_norm(set, module + ".bn." + name, weight.size(0));
  };
  const torch::Tensor scale = norm("weight") / (norm("running_var") + kEpsilon).sqrt();
  const torch::Tensor bias = norm("bias") - norm("running_mean") * scale;
  tensors.push_back({module + ".weight", (weight * scale.view({-1, 1, 1, 1})).to(torch::kFloat32)});
  tensors.push_back({module + ".bias", bias.to(torch::kFloat32)});
}

}  // namespace

TensorSet read_inception(const std::filesystem::path& path) {
  const TensorSet set = find_inception(path);
  const torch::Tensor classes = read(set, "fc.weight");
  if (classes.dim() == 2 && classes.size(0) == kClassesOfTorchvision)
    throw CheckpointError(format_text(
        "{}: this is torchvision's Inception-v3 of 1000 classes, whose scores are not comparable; the "
        "network of the FID has {}, such as pt_inception-2015-12-05-6726825d.pth",
        shown(path), kClasses));
  std::vector<NamedTensor> tensors = {{"fc.weight", classes.to(torch::kFloat32)}};
  for (const TensorView& view : set.tensors)
    if (view.name.ends_with(kFilter) && !view.name.starts_with("AuxLogits."))
      append_convolution(set, view.name.substr(0, view.name.size() - kFilter.size()), tensors);
  TensorSet result = to_tensor_set(tensors);
  result.path = path;
  return result;
}

}  // namespace ddpm
