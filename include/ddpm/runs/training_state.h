// state.json of a checkpoint: what is not in a tensor.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "ddpm/config/config.h"

namespace ddpm {

struct LossStatistics {
  double count = 0, mean = 0, variance = 0;
};

struct TrainingState {
  std::int64_t step = 0;         // optimiser steps done
  std::int64_t images_seen = 0;  // position in the endless sequence of shuffled epochs
  Config config;                 // resolved, as it was then
  // Mean training loss since the checkpoint before; unknown if no step was logged since.
  std::optional<double> loss = {};
  std::string data_fingerprint = {};  // of the images (ImageStore::fingerprint); empty: unknown
  // With training.skip_outliers: of the losses so far (OutlierLosses).
  std::optional<LossStatistics> loss_statistics = {};
};

void write_training_state(const std::filesystem::path& checkpoint, const TrainingState& state);

// Throws CheckpointError for anything but a state file of a known version, and IoError.
TrainingState read_training_state(const std::filesystem::path& checkpoint);

}  // namespace ddpm
