#include "ddpm/io/weights.h"

#include <map>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"

namespace ddpm {
namespace {

struct DTypePair {
  DType file;
  torch::Dtype tensor;
};
constexpr DTypePair kDTypes[] = {{DType::kF64, torch::kFloat64}, {DType::kF32, torch::kFloat32},
                                 {DType::kF16, torch::kFloat16}, {DType::kBF16, torch::kBFloat16},
                                 {DType::kI64, torch::kInt64},   {DType::kI32, torch::kInt32},
                                 {DType::kI16, torch::kInt16},   {DType::kI8, torch::kInt8},
                                 {DType::kU8, torch::kUInt8},    {DType::kBool, torch::kBool}};

DType to_file_dtype(torch::Dtype dtype) {
  for (const DTypePair& pair : kDTypes)
    if (pair.tensor == dtype) return pair.file;
  throw CheckpointError(format_text("tensors of type {} cannot be saved", c10::toString(dtype)));
}

torch::Dtype to_tensor_dtype(DType dtype) {
  for (const DTypePair& pair : kDTypes)
    if (pair.file == dtype) return pair.tensor;
  throw CheckpointError(format_text("tensors of type {} cannot be read", dtype_name(dtype)));
}

// The first few lines of a long list of problems.
std::string summarize(const std::vector<std::string>& problems) {
  constexpr std::size_t kShown = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(problems.size(), kShown); ++i)
    text += "\n  " + shorten(problems[i], 300);
  if (problems.size() > kShown)
    text += format_text("\n  ... and {} more", problems.size() - kShown);
  return text;
}

struct Comparison {
  std::vector<std::string> problems, missing;
};

Comparison compare(const TensorSet& set, const std::map<std::string, torch::Tensor>& targets) {
  Comparison result;
  std::vector<std::string>& problems = result.problems;
  std::map<std::string_view, const TensorView*> views;
  for (const TensorView& view : set.tensors)
    if (!views.emplace(view.name, &view).second) problems.push_back("given twice: " + view.name);
  for (const auto& [name, target] : targets) {
    const auto found = views.find(name);
    if (found == views.end()) {
      result.missing.push_back("missing: " + name);
      continue;
    }
    const TensorView* view = found->second;
    if (torch::IntArrayRef(view->shape) != target.sizes())
      problems.push_back(format_text("wrong shape: {} is [{}], expected [{}]", name,
                                     c10::Join(",", view->shape), c10::Join(",", target.sizes())));
    else if (torch::isFloatingType(to_tensor_dtype(view->dtype)) !=
             torch::isFloatingType(target.scalar_type()))
      problems.push_back(format_text("wrong type: {} is {}", name, dtype_name(view->dtype)));
  }
  for (const TensorView& view : set.tensors)
    if (!targets.contains(view.name)) problems.push_back("unexpected: " + view.name);
  return result;
}

}  // namespace

torch::Tensor to_tensor(const TensorView& view) {
  // from_blob needs a mutable pointer; nobody writes through it, because the tensor is cloned at
  // once.
  void* data = const_cast<std::byte*>(view.bytes.data());
  return torch::from_blob(data, view.shape, to_tensor_dtype(view.dtype)).clone();
}

TensorSet to_tensor_set(const std::vector<NamedTensor>& tensors) {
  auto kept = std::make_shared<std::vector<torch::Tensor>>();  // owns the bytes
  TensorSet set{.path = {}, .tensors = {}, .metadata = {}, .memory = kept};
  for (const NamedTensor& named : tensors) {
    const torch::Tensor& tensor = kept->emplace_back(named.tensor.detach().cpu().contiguous());
    const auto* data = static_cast<const std::byte*>(tensor.const_data_ptr());
    set.tensors.push_back({named.name,
                           to_file_dtype(tensor.scalar_type()),
                           tensor.sizes().vec(),
                           {data, tensor.nbytes()}});
  }
  return set;
}

void save_tensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                  const SafetensorsMetadata& metadata) {
  write_safetensors(path, to_tensor_set(tensors).tensors, metadata);
}

void load_tensors(const SafetensorsFile& file, const std::vector<NamedTensor>& targets) {
  load_tensors(TensorSet{file.path(), file.tensors(), {}}, targets);
}

void load_tensors(const TensorSet& set, const std::vector<NamedTensor>& targets,
                  MissingTensors missing) {
  std::map<std::string, torch::Tensor> by_name;
  for (const NamedTensor& target : targets) by_name.emplace(target.name, target.tensor);
  Comparison found = compare(set, by_name);
  std::vector<std::string>& problems = found.problems;
  if (missing == MissingTensors::kRefuse)
    problems.insert(problems.begin(), found.missing.begin(), found.missing.end());
  else if (!found.missing.empty())
    log_warning("{}: missing tensors keep their initial values ({}):{}", set.path.string(),
                found.missing.size(), summarize(found.missing));
  if (!problems.empty())
    throw CheckpointError(
        format_text("{}: {} of its tensors do not fit this network:{}\nThe file belongs to another "
                    "network (model.*) or is incomplete",
                    set.path.string(), problems.size(), summarize(problems)));
  torch::NoGradGuard no_grad;
  for (const TensorView& view : set.tensors) by_name.at(view.name).copy_(to_tensor(view));
}

}  // namespace ddpm
