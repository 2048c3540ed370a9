// Writes a trained network as the files of another program.
#pragma once

#include <filesystem>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/device/named_tensor.h"
#include "ddpm/io/model_file.h"

namespace ddpm {

// The type of the written weights.
enum class ExportType { kFp32, kFp16, kBf16 };
constexpr auto choice_names(ExportType) { return name_list("fp32", "fp16", "bf16"); }

struct ExportRequest {
  ModelFormat target = ModelFormat::kDiffusers;
  ExportType dtype = ExportType::kFp32;
};

// Writes the network of `config` into a new folder: all files or nothing. `weights` has the
// network's own names. Returns the files, the weights first. Throws ConfigError if the target
// cannot represent the network (naming the keys) or the folder is not empty; throws IoError.
std::vector<std::filesystem::path> export_model(const Config& config,
                                                const std::vector<NamedTensor>& weights,
                                                const ExportRequest& request,
                                                const std::filesystem::path& folder);

}  // namespace ddpm
