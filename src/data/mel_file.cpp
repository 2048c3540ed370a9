#include "ddpm/data/mel_file.h"

#include "ddpm/audio/sound.h"
#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/npy.h"
#include "ddpm/formats/safetensors.h"

namespace ddpm {
namespace {

bool is_numpy(const fs::path& path) { return lower_case(path.extension().string()) == ".npy"; }

torch::Dtype type_of(DType type, const std::string& path) {
  switch (type) {
    case DType::kF64:
      return torch::kFloat64;
    case DType::kF32:
      return torch::kFloat32;
    case DType::kF16:
      return torch::kFloat16;
    case DType::kBF16:
      return torch::kBFloat16;
    default:
      throw DataError(path + ": a spectrogram must have floating-point numbers, not " +
                      std::string(dtype_name(type)));
  }
}

torch::Tensor to_float(std::span<const std::byte> bytes, const std::vector<std::int64_t>& shape,
                       torch::Dtype type) {
  // The tensor only lives until its values are copied.
  return torch::from_blob(const_cast<std::byte*>(bytes.data()), shape, type)
      .to(torch::kFloat32, /*non_blocking=*/false, /*copy=*/true);
}

torch::Tensor read_safetensors_mel(const fs::path& path) {
  const SafetensorsFile file(path);
  const TensorView* view = file.find("mel");
  if (view == nullptr && file.tensors().size() == 1) view = &file.tensors().front();
  if (view == nullptr)
    throw DataError(format_text("{}: there is no tensor 'mel', and there are {} others",
                                shown(path), file.tensors().size()));
  return to_float(view->bytes, view->shape, type_of(view->dtype, shown(path)));
}

torch::Tensor read_numpy_mel(const fs::path& path) {
  const MappedFile file = map_file<DataError>(path);
  const NumpyArray array = read_npy(file.bytes(), path.string());
  if (array.type == "<f4") return to_float(array.bytes, array.shape, torch::kFloat32);
  if (array.type == "<f8") return to_float(array.bytes, array.shape, torch::kFloat64);
  if (array.type == "<f2") return to_float(array.bytes, array.shape, torch::kFloat16);
  throw DataError(format_text("{}: a spectrogram must have floating-point numbers, not '{}'",
                              shown(path), shorten(array.type)));
}

}  // namespace

bool has_mel_extension(const fs::path& path) {
  return is_numpy(path) || lower_case(path.extension().string()) == ".safetensors";
}

torch::Tensor read_mel(const fs::path& path, std::int64_t bands) {
  if (has_sound_extension(path))
    throw DataError(shown(path) + ": this is sound, not a spectrogram; give it with --wav");
  const auto read = [&] {
    return is_numpy(path) ? read_numpy_mel(path) : read_safetensors_mel(path);
  };
  torch::Tensor mel = read_as_data(read);
  if (mel.dim() == 3 && mel.size(0) == 1) mel = mel[0];
  if (mel.dim() == 2 && mel.size(0) != bands && mel.size(1) == bands) {
    log_info("{}: its shape is [frames,bands], so it is transposed", shown(path));
    mel = mel.t().contiguous();
  }
  if (mel.dim() != 2 || mel.size(0) != bands || mel.size(1) == 0)
    throw DataError(format_text("{}: the shape is {}, and the model needs [{},frames]", shown(path),
                                c10::str(mel.sizes()), bands));
  if (!mel.isfinite().all().item<bool>())
    throw DataError(shown(path) + ": some values are not finite");
  return mel;
}

void write_mel(const fs::path& path, const torch::Tensor& mel) {
  const torch::Tensor values = mel.to(torch::kCPU, torch::kFloat32).contiguous();
  const std::span<const std::byte> bytes(static_cast<const std::byte*>(values.const_data_ptr()),
                                         values.nbytes());
  if (!is_numpy(path)) {
    const TensorView view{
        .name = "mel", .dtype = DType::kF32, .shape = values.sizes().vec(), .bytes = bytes};
    return write_safetensors(path, std::span(&view, 1));
  }
  FileWriter file(path);
  const std::string header = npy_header("<f4", values.sizes().vec());
  file.write(std::as_bytes(std::span(header)));
  file.write(bytes);
  file.finish();
}

}  // namespace ddpm
