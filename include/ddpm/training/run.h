// One training run: the trainer with everything around it that a job of several days needs.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "ddpm/base/error.h"
#include "ddpm/base/progress.h"
#include "ddpm/config/config.h"
#include "ddpm/io/model_file.h"
#include "ddpm/io/weights.h"

namespace ddpm {

struct RunOptions {
  // How an existing run directory is met. Neither: it must be empty or absent.
  std::optional<std::string>
      resume;  // "auto": continue if there is a checkpoint, else start; "latest"; or a path
  std::optional<ModelFile> start;  // weights to begin with, unless a checkpoint is continued
  MissingTensors missing = MissingTensors::kRefuse;  // of tensors of `start`
  bool overwrite = false;                            // delete an earlier run of that name
  double max_minutes = 0;                            // save and end after so long; 0: no limit
  ProgressStyle progress = ProgressStyle::kPlain;
  std::string command_line;  // for environment.json
};

// Trains as `config` says and fills the run directory (docs/formats.md). Returns kSuccess, also
// when max_minutes are over, or the code of the signal that stopped it, with a checkpoint saved.
// A checkpoint, preview or metrics line that cannot be written is reported, and training goes on;
// if it is the last checkpoint, CheckpointError is thrown. Throws the errors of its parts;
// NonFiniteError and DeviceError name the last good checkpoint. Prints the paths of what it made to
// standard output.
ExitCode run_training(Config config, const RunOptions& options);

// What training would take, from one real step: parameters, memory, disk and time. Writes no file.
void dry_run(Config config);

}  // namespace ddpm
