#include "ddpm/io/mel_file.h"

#include "ddpm/audio/sound.h"
#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/npy.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/io/weights.h"

namespace ddpm {
namespace {

bool is_numpy(const fs::path& path) { return lower_case(path.extension().string()) == ".npy"; }

torch::Tensor read_safetensors_mel(const fs::path& path) {
  const SafetensorsFile file(path);
  const TensorView* view = file.find("mel");
  if (view == nullptr && file.tensors().size() == 1) view = &file.tensors().front();
  if (view == nullptr)
    throw DataError(format_text("{}: there is no tensor 'mel', and there are {} others",
                                shown(path), file.tensors().size()));
  if (torch::Tensor mel = to_tensor(*view); mel.is_floating_point()) return mel;
  throw DataError(format_text("{}: a spectrogram must have floating-point numbers, not {}",
                              shown(path), dtype_name(view->dtype)));
}

torch::Tensor read_numpy_mel(const fs::path& path) {
  const MappedFile file = map_file<DataError>(path);
  const NumpyArray array = read_npy(file.bytes(), path.string());
  if (std::optional<torch::Tensor> mel = floats_of(array)) return *mel;
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
  torch::Tensor mel = read_as_data(read).to(torch::kFloat32);
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
  if (!is_numpy(path)) return save_tensors(path, {{"mel", mel}});
  const torch::Tensor values = mel.contiguous();
  FileWriter file(path);
  const std::string header = npy_header("<f4", values.sizes().vec());
  file.write(std::as_bytes(std::span(header)));
  file.write({static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()});
  file.finish();
}

}  // namespace ddpm
