#include "ranks.h"

#include <torch/cuda.h>

#include "current_error.h"
#include "ddpm/base/log_files.h"
#include "ddpm/base/text.h"
#include "ddpm/distributed/local_launcher.h"

namespace ddpm::cli {
namespace {

constexpr std::int64_t kMostRanks = 1024;

std::string is_number_of_gpus(const std::string& text) {
  return text == "all" ? "" : between(1, kMostRanks)(text);
}

std::int64_t count_gpus(const std::string& wanted) {
  const auto present = static_cast<std::int64_t>(torch::cuda::device_count());
  if (present == 0)
    throw DeviceError("--gpus: no NVIDIA GPU is visible to this process; check `nvidia-smi`");
  if (wanted == "all") return present;
  const std::int64_t count = std::stoll(wanted);
  if (count > present)
    throw DeviceError(
        format_text("--gpus {}: this machine has {}", count, counted(present, "GPU")));
  return count;
}

// The work of one of several processes.
ExitCode run_rank(const Launch& launch, const std::function<ExitCode(ProcessGroup*)>& work) {
  end_with_launcher(launch);
  if (!launch.world.leads()) log_warnings_of(format_text("rank {}: ", launch.world.rank));
  ProcessGroup group(launch, patience_of(process_environment()));
  try {
    return group.finish(work(&group));
  } catch (const ConnectionLost& error) {
    group.fail_with_others(error);
  } catch (...) {
    group.fail(current_error());
  }
}

}  // namespace

void add_rank_options(CLI::App& command, RankOptions& options) {
  CLI::Option* ranks =
      command
          .add_option(
              "--ranks", options.ranks,
              "Compute in N processes on the CPUs of this machine; for several machines see "
              "docs/distributed.md")
          ->check(between(1, kMostRanks))
          ->type_name("N")
          ->group("Machine");
  command
      .add_option("--gpus", options.gpus,
                  "Compute on N GPUs of this machine, or on all, with a process each")
      ->check(is_number_of_gpus)
      ->type_name("all|N")
      ->excludes(ranks)
      ->group("Machine");
}

void append_overrides(std::vector<ConfigOverride>& overrides, const RankOptions& options,
                      const CommonOptions& common) {
  if (common.device) return;
  if (options.ranks) overrides.push_back({"run.device", "cpu", "--ranks"});
  if (options.gpus) overrides.push_back({"run.device", "cuda", "--gpus"});
}

ExitCode run_ranks(const RankOptions& options, const std::function<ExitCode(ProcessGroup*)>& work) {
  const Launch launch = find_launch(process_environment());
  const std::string asked = options.ranks ? "--ranks" : options.gpus ? "--gpus" : "";
  if (launch.world.size > 1) {
    if (!asked.empty() && launch.launcher != asked)
      throw ConfigError(format_text("{}: {} were started already, by {}; leave the option out",
                                    asked, counted(launch.world.size, "process"), launch.launcher));
    return run_rank(launch, work);
  }
  const std::int64_t count = options.ranks  ? *options.ranks
                             : options.gpus ? count_gpus(*options.gpus)
                                            : 1;
  return count > 1 ? launch_processes(count, asked) : work(nullptr);
}

}  // namespace ddpm::cli
