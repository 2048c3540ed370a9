// A trained network into the files of another program.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/device/named_tensor.h"

namespace ddpm {

// What `ddpm convert --to` knows: diffusers (a pipeline folder), ddpm (this program's own), and the
// naming schemes of interop/names.h, CompVis's among them.
std::vector<std::string> export_targets();

struct ExportRequest {
  std::string target = "diffusers";
  std::string dtype = "fp32";  // fp32 | fp16 | bf16
};

// Writes the network of `config`, whose weights are `weights` under the network's own names, into a
// new folder: everything or nothing. Returns the files, the weights first.
// Throws ConfigError if the target cannot represent the network (naming the keys), does not exist,
// or the folder is not empty; IoError.
std::vector<std::filesystem::path> export_model(const Config& config,
                                                const std::vector<NamedTensor>& weights,
                                                const ExportRequest& request,
                                                const std::filesystem::path& folder);

}  // namespace ddpm
