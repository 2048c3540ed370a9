// Commands that several processes can do together: --ranks, --gpus, and launchers such as torchrun.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "ddpm/distributed/process_group.h"

namespace ddpm::cli {

struct RankOptions {
  std::optional<std::int64_t> ranks;
  std::optional<std::string> gpus;  // a number, or "all"
};

void add_rank_options(CLI::App& command, RankOptions& options);

// Appends the device that these options mean, unless --device says another.
void append_overrides(std::vector<ConfigOverride>& overrides, const RankOptions& options,
                      const CommonOptions& common);

// Does the work as the options and the environment of the process say: alone (`work` gets null), by starting the
// processes of --ranks or --gpus and waiting for them, or as one of several. Then all of them return the same
// code, and if one throws, all end. To be called before the program starts threads.
ExitCode run_ranks(const RankOptions& options, const std::function<ExitCode(ProcessGroup*)>& work);

}  // namespace ddpm::cli
