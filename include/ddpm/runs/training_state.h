// state.json of a checkpoint: the part of the state that is not in tensors.
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

// What a checkpoint's images were measured by.
struct CheckpointScore {
  Criterion criterion;
  double value;
};

struct TrainingState {
  std::int64_t step = 0;         // optimiser steps done
  std::int64_t images_seen = 0;  // position in the endless sequence of shuffled epochs
  Config config;                 // the resolved config of the run when it was saved
  // Mean training loss since the previous checkpoint; unknown if no step was logged since then.
  std::optional<double> loss = {};
  // With evaluation.best_by, if the images of this step were measured.
  std::optional<CheckpointScore> score = {};
  std::string data_fingerprint = {};  // of the images (ImageStore::fingerprint); empty: unknown
  // With training.skip_outliers: statistics of the losses so far (OutlierLosses).
  std::optional<LossStatistics> loss_statistics = {};
};

void write_training_state(const std::filesystem::path& checkpoint, const TrainingState& state);

// Throws CheckpointError unless the file is a state file of a known version, and IoError.
TrainingState read_training_state(const std::filesystem::path& checkpoint);

// The text of that file, and the state in such a text; `name` names it in messages.
std::string training_state_text(const std::filesystem::path& checkpoint);
TrainingState parse_training_state(const std::string& text, const std::string& name);

}  // namespace ddpm
