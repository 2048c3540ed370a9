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
  std::vector<std::string> problems;                       // that nothing allows
  std::vector<std::string> missing, reshaped, unexpected;  // in words
  std::vector<const TensorView*> usable;
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
      result.reshaped.push_back(format_text("wrong shape: {} is [{}], expected [{}]", name,
                                            c10::Join(",", view->shape),
                                            c10::Join(",", target.sizes())));
    else if (torch::isFloatingType(to_tensor_dtype(view->dtype)) !=
             torch::isFloatingType(target.scalar_type()))
      problems.push_back(format_text("wrong type: {} is {}", name, dtype_name(view->dtype)));
    else
      result.usable.push_back(view);
  }
  for (const TensorView& view : set.tensors)
    if (!targets.contains(view.name)) result.unexpected.push_back("unexpected: " + view.name);
  return result;
}

// What the fit does not allow, the missing ones first.
std::vector<std::string> problems_of(const Comparison& found, TensorFit fit) {
  std::vector<std::string> problems;
  const auto add = [&](const std::vector<std::string>& more) {
    problems.insert(problems.end(), more.begin(), more.end());
  };
  if (fit == TensorFit::kExact) add(found.missing);
  add(found.problems);
  if (fit != TensorFit::kMayDiffer) {
    add(found.reshaped);
    add(found.unexpected);
  } else if (found.usable.empty()) {
    problems.emplace_back("no tensor has the name and shape of one of the network");
  }
  return problems;
}

std::map<std::string, torch::Tensor> named(const std::vector<NamedTensor>& tensors) {
  std::map<std::string, torch::Tensor> by_name;
  for (const NamedTensor& tensor : tensors) by_name.emplace(tensor.name, tensor.tensor);
  return by_name;
}

Comparison compare_or_throw(const TensorSet& set,
                            const std::map<std::string, torch::Tensor>& targets, TensorFit fit) {
  Comparison found = compare(set, targets);
  const std::vector<std::string> problems = problems_of(found, fit);
  if (!problems.empty())
    throw CheckpointError(
        format_text("{}: {} of its tensors do not fit this network:{}\nThe file belongs to another "
                    "network (model.*) or is incomplete",
                    set.path.string(), problems.size(), summarize(problems)));
  return found;
}

// Says which targets keep their values.
void log_kept(const Comparison& found, const std::filesystem::path& path) {
  std::vector<std::string> kept = found.missing;
  kept.insert(kept.end(), found.reshaped.begin(), found.reshaped.end());
  if (!kept.empty())
    log_warning("{}: {} of the network's tensors keep their initial values:{}", path.string(),
                kept.size(), summarize(kept));
  if (!found.unexpected.empty())
    log_warning("{}: {} of its tensors are not used:{}", path.string(), found.unexpected.size(),
                summarize(found.unexpected));
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

std::optional<torch::Tensor> floats_of(const NumpyArray& array) {
  for (const auto& [name, type] :
       {std::pair("<f4", DType::kF32), {"<f8", DType::kF64}, {"<f2", DType::kF16}})
    if (array.type == name)
      return to_tensor({.name = {}, .dtype = type, .shape = array.shape, .bytes = array.bytes});
  return std::nullopt;
}

void save_tensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                  const SafetensorsMetadata& metadata) {
  write_safetensors(path, to_tensor_set(tensors).tensors, metadata);
}

void load_tensors(const SafetensorsFile& file, const std::vector<NamedTensor>& targets) {
  load_tensors(TensorSet{file.path(), file.tensors(), {}}, targets);
}

void load_tensors(const TensorSet& set, const std::vector<NamedTensor>& targets, TensorFit fit) {
  const std::map<std::string, torch::Tensor> by_name = named(targets);
  const Comparison found = compare_or_throw(set, by_name, fit);
  log_kept(found, set.path);
  torch::NoGradGuard no_grad;
  for (const TensorView* view : found.usable) by_name.at(view->name).copy_(to_tensor(*view));
}

void check_fit(const TensorSet& set, const std::vector<NamedTensor>& targets, TensorFit fit) {
  static_cast<void>(compare_or_throw(set, named(targets), fit));
}

}  // namespace ddpm
