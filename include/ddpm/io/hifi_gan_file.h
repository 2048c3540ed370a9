// Model files of HiFi-GAN.
#pragma once

#include <filesystem>
#include <vector>

#include "ddpm/architecture/hifi_gan.h"
#include "ddpm/base/choice.h"
#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// How the weight w of a layer lies in the file: as it is, or with weight norm as a length g and a
// direction v with w = g v/|v| (Salimans and Kingma, "Weight Normalization"), where the norm is
// over all axes but the first.
enum class HifiGanFormat { kHifigan, kHifiganWeightNorm };
constexpr auto choice_names(HifiGanFormat) { return name_list("hifigan", "hifigan_weight_norm"); }

struct HifiGanFile {
  std::filesystem::path weights, config_path;
  HifiGanConfig config;
  TensorSet tensors;  // under the generator's own names, in the format of the file
};

// Whether the file is a config of HiFi-GAN; false if there is no such file.
bool is_hifi_gan_config_file(const std::filesystem::path& path);

// The config alone. `path` is as for open_hifi_gan, but no weights are needed. Throws
// CheckpointError.
HifiGanConfig hifi_gan_config_of(const std::filesystem::path& path);

// Opens a generator. `path` is a folder with a config.json and a checkpoint, of which the newest
// g_NUMBER is taken; such a config; or a checkpoint with its config beside it, which has its name,
// is config.json or the only JSON file there that is a config of HiFi-GAN. The tensors are those of
// the dictionary that holds a generator, below any prefix. Throws CheckpointError that says what
// was found instead.
HifiGanFile open_hifi_gan(const std::filesystem::path& path);

// The tensors without weight norm: every pair of g and v is replaced by its weight, in float32. The
// others stay as they are.
TensorSet without_weight_norm(const TensorSet& tensors);

// The tensors with weight norm, of which g is the norm of the weight and v the weight. Tensors that
// already have it stay as they are, so without_weight_norm(with_weight_norm(x)) has the bytes of x.
TensorSet with_weight_norm(const TensorSet& tensors);

// Writes config.json and model.safetensors to a new or empty folder. Returns their paths. Tensors
// that are in that format already are written as they are. Throws IoError.
std::vector<std::filesystem::path> export_hifi_gan(const HifiGanFile& file, HifiGanFormat format,
                                                   const std::filesystem::path& folder);

}  // namespace ddpm
