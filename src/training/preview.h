// The grids of sampled images that a run makes during training, always from the same noise. Private
// to this folder.
#pragma once

#include <filesystem>
#include <functional>

#include "ddpm/config/config.h"
#include "ddpm/device/runtime.h"
#include "ddpm/training/trainer.h"
#include "image_drawer.h"

namespace ddpm {

class Preview {
 public:
  Preview(const Config& config, const Runtime& runtime);

  // Draws training.sample_count images with the averaged weights and writes them as one PNG file.
  // `stop` is called after each sampling step; if it returns true, no file is written and the
  // result is false. Throws IoError and DeviceError.
  bool write(Trainer& trainer, const std::filesystem::path& file,
             const std::function<bool()>& stop) const;

 private:
  const Config& config_;
  ImageDrawer drawer_;
};

}  // namespace ddpm
