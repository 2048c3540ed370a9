// One training run: the trainer, and the checkpoints, logs and previews that a long job needs.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "ddpm/base/error.h"
#include "ddpm/base/progress.h"
#include "ddpm/config/loader.h"
#include "ddpm/distributed/process_group.h"
#include "ddpm/io/model_file.h"
#include "ddpm/io/weights.h"

namespace ddpm {

struct RunOptions {
  // Without `resume` and `overwrite` the run directory must be empty or absent.
  std::optional<std::string>
      resume;  // "auto": continue if there is a checkpoint, else start; "latest"; or a path
  std::optional<ModelFile> start;     // initial weights; ignored if a checkpoint is continued
  TensorFit fit = TensorFit::kExact;  // how well `start` must fit the network
  bool overwrite = false;             // delete an earlier run of that name
  bool force = false;                 // begin although there seems to be too little memory
  double max_minutes = 0;             // save and end after this time; 0: no limit
  ProgressStyle progress = ProgressStyle::kPlain;
  std::string command_line;       // for environment.json
  ProcessGroup* group = nullptr;  // the processes that train together; null: this one alone
};

// Trains as `config` says and fills the run directory (docs/formats.md). Returns kSuccess, also
// when max_minutes are over, or the code of the signal that stopped it; a checkpoint is saved in
// each case. If a checkpoint, preview or metrics line cannot be written, the error is logged and
// training goes on; if it is the last checkpoint, CheckpointError is thrown. Throws the errors of
// its parts; NonFiniteError and DeviceError name the last good checkpoint. Prints the path of the
// run directory to standard output.
//
// Of several processes only rank 0 reads checkpoints and writes files. A signal to any of them, or the end of its time,
// stops all after the same step; the result is the same on each.
//
// A resumed run keeps the values that it began with of keys that the user did not set
// (OnResume::kKept), by the origins of `wanted`.
ExitCode run_training(const ResolvedConfig& wanted, const RunOptions& options);

// Prints what training would need, measured in real steps: parameters, memory, disk and time.
// Writes no file. Unless `force`, throws DeviceError if training clearly needs more memory than is
// free.
void dry_run(Config config, bool force);

}  // namespace ddpm
