#include "ddpm/io/weights.h"

#include <map>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"

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

// The first few lines of a long list of complaints.
std::string summarize(const std::vector<std::string>& problems) {
  constexpr std::size_t kShown = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(problems.size(), kShown); ++i) text += "\n  " + problems[i];
  if (problems.size() > kShown)
    text += format_text("\n  ... and {} more", problems.size() - kShown);
  return text;
}

std::vector<std::string> compare(const SafetensorsFile& file,
                                 const std::map<std::string, torch::Tensor>& targets) {
  std::vector<std::string> problems;
  for (const auto& [name, target] : targets) {
    const TensorView* view = file.find(name);
    if (view == nullptr)
      problems.push_back("missing: " + name);
    else if (torch::IntArrayRef(view->shape) != target.sizes())
      problems.push_back(format_text("wrong shape: {} is [{}], expected [{}]", name,
                                     c10::Join(",", view->shape), c10::Join(",", target.sizes())));
    else if (torch::isFloatingType(to_tensor_dtype(view->dtype)) !=
             torch::isFloatingType(target.scalar_type()))
      problems.push_back(format_text("wrong type: {} is {}", name, dtype_name(view->dtype)));
  }
  for (const TensorView& view : file.tensors())
    if (!targets.contains(view.name)) problems.push_back("unexpected: " + view.name);
  return problems;
}

}  // namespace

torch::Tensor to_tensor(const TensorView& view) {
  // from_blob wants a mutable pointer; the clone is made before anyone can write.
  void* data = const_cast<std::byte*>(view.bytes.data());
  return torch::from_blob(data, view.shape, to_tensor_dtype(view.dtype)).clone();
}

void save_tensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                  const SafetensorsMetadata& metadata) {
  std::vector<torch::Tensor> kept;  // owns the bytes the views point to
  std::vector<TensorView> views;
  for (const NamedTensor& named : tensors) {
    const torch::Tensor& tensor = kept.emplace_back(named.tensor.detach().cpu().contiguous());
    const auto* data = static_cast<const std::byte*>(tensor.const_data_ptr());
    views.push_back({named.name,
                     to_file_dtype(tensor.scalar_type()),
                     tensor.sizes().vec(),
                     {data, tensor.nbytes()}});
  }
  write_safetensors(path, views, metadata);
}

void load_tensors(const SafetensorsFile& file, const std::vector<NamedTensor>& targets) {
  std::map<std::string, torch::Tensor> by_name;
  for (const NamedTensor& target : targets) by_name.emplace(target.name, target.tensor);
  const std::vector<std::string> problems = compare(file, by_name);
  if (!problems.empty())
    throw CheckpointError(
        format_text("{}: {} of its tensors do not fit this network:{}\nThe file belongs to another "
                    "architecture (model.*) "
                    "or is incomplete",
                    file.path().string(), problems.size(), summarize(problems)));
  torch::NoGradGuard no_grad;
  for (const TensorView& view : file.tensors()) {
    torch::Tensor target = by_name.at(view.name);
    target.copy_(to_tensor(view));
  }
}

}  // namespace ddpm
