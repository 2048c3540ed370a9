#include "ddpm/base/signals.h"
#include "ddpm/config/validate.h"
#include "ddpm/training/run.h"
#include "model_options.h"
#include "ranks.h"

namespace ddpm::cli {
namespace {

struct TrainOptions {
  CommonOptions common;
  std::string config;
  RankOptions ranks;
  ModelOptions start;
  std::optional<std::string> resume;
  bool overwrite = false;
  bool dry_run = false;
  bool force = false;
  double max_minutes = 0;
};

std::vector<ConfigOverride> overrides_of(const TrainOptions& options) {
  std::vector<ConfigOverride> list = options.common.overrides();
  append_overrides(list, options.ranks, options.common);
  return list;
}

// The config, with the network, process and image shape of the model it starts from; --set comes
// last.
ResolvedConfig config_for(const TrainOptions& options, const ModelFile& model) {
  ResolvedConfig resolved = load_config(options.config, {});
  Config& config = resolved.config;
  config.model = model.config.model;
  config.diffusion = model.config.diffusion;
  DataConfig& data = config.data;
  data.channels = model.config.data.channels;
  data.range = model.config.data.range;
  if (data.height == 0 && data.width == 0) {
    data.height = model.config.data.height;
    data.width = model.config.data.width;
  }
  override_values(resolved, overrides_of(options));
  validate(config);
  return resolved;
}

// As this process alone (`group` is null), or as one of several.
ExitCode train(const TrainOptions& options, const std::string& command_line, ProcessGroup* group) {
  const bool shows_progress =
      !options.common.log.quiet && (group == nullptr || group->world().leads());
  const ProgressStyle progress = choose<ProgressStyle>("--progress", options.common.progress);
  const std::vector<ConfigOverride> overrides = overrides_of(options);
  std::optional<ModelFile> start;
  // With --reinit-mismatched, --set describes the network to train, not the one in the file.
  if (!options.start.path.empty())
    start = open_model(options.start.path, asked_weights(options.start.weights),
                       options.start.reinit_mismatched ? std::vector<ConfigOverride>() : overrides);
  const ResolvedConfig config =
      start ? config_for(options, *start) : load_config(options.config, overrides);
  if (options.dry_run) {
    dry_run(config.config, options.force);
    return ExitCode::kSuccess;
  }
  // A launcher that starts the job again after a failure wants it to go on.
  const bool again = group != nullptr && group->launch().restarts > 0;
  return run_training(config, {.resume = again && !options.resume ? "auto" : options.resume,
                               .start = std::move(start),
                               .fit = options.start.fit(),
                               .overwrite = options.overwrite && !again,
                               .force = options.force,
                               .max_minutes = options.max_minutes,
                               .progress = shows_progress ? progress : ProgressStyle::kOff,
                               .command_line = command_line,
                               .group = group});
}

ExitCode run_train(const TrainOptions& options, const std::string& command_line) {
  set_up_logging(options.common.log);
  if (!options.dry_run) handle_stop_requests();
  if (options.dry_run && (options.ranks.ranks || options.ranks.gpus))
    throw ConfigError("--dry-run: makes steps in one process; leave --ranks and --gpus out");
  if (options.dry_run) return train(options, command_line, nullptr);
  return run_ranks(options.ranks,
                   [&](ProcessGroup* group) { return train(options, command_line, group); });
}

}  // namespace

void add_train(CLI::App& program, Action& action, const std::string& command_line) {
  auto options = std::make_shared<TrainOptions>();
  CLI::App* command =
      program.add_subcommand("train", "Train a noise-prediction model described by a config");
  command->add_option("-c,--config", options->config, "The config; see configs/ and docs/config.md")
      ->type_name("FILE")
      ->required()
      ->group("Config");
  add_model_options(*command, options->start, "--init-from",
                    ". Start from its weights; its network and diffusion process replace those of "
                    "--config, and --set changes them");
  command
      ->add_flag(
          "--reinit-mismatched", options->start.reinit_mismatched,
          "With --init-from: initialise the tensors that the model lacks or has in another shape, and "
          "list them; for other classes, channels or widths")
      ->group("Model");
  CLI::Option* resume =
      command
          ->add_option(
              "--resume", options->resume,
              "Continue a run: auto (start if there is no checkpoint yet), latest, or a checkpoint folder")
          ->type_name("auto|latest|PATH")
          ->group("Run directory");
  command->add_flag("--overwrite", options->overwrite, "Replace an earlier run of the same name")
      ->excludes(resume)
      ->group("Run directory");
  command
      ->add_option("--max-minutes", options->max_minutes,
                   "Save a checkpoint and stop, with exit code 0, after MINUTES (0: no limit) [0]")
      ->check(at_least(0))
      ->type_name("MINUTES");
  command->add_flag(
      "--dry-run", options->dry_run,
      "Make two real steps and print the parameters, memory, disk space and time that "
      "training needs; write nothing");
  add_image_size_option(*command, options->common);
  add_common_options(*command, options->common);
  add_force_option(*command, options->force);
  add_rank_options(*command, options->ranks);
  command->footer(
      examples({"ddpm train --config configs/cifar10.json --set data.path=cifar-10-binary.tar.gz",
                "ddpm train --config my.json --resume auto",
                "ddpm train --config configs/folder.json --set data.path=photos --init-from "
                "ddpm-cifar10-32",
                "ddpm train --config my.json --set training.batch_size=64 --dry-run",
                "ddpm train --config configs/cifar10.json --gpus all",
                "torchrun --nproc-per-node 8 --no-python ddpm train --config my.json"}));
  command->callback([&action, options, command_line] {
    action = [options, command_line] { return run_train(*options, command_line); };
  });
}

}  // namespace ddpm::cli
