#include "ddpm/base/signals.h"
#include "ddpm/config/validate.h"
#include "ddpm/training/run.h"
#include "model_options.h"

namespace ddpm::cli {
namespace {

struct TrainOptions {
  CommonOptions common;
  std::string config;
  ModelOptions start;
  std::optional<std::string> resume;
  bool overwrite = false;
  bool dry_run = false;
  bool force = false;
  double max_minutes = 0;
};

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
  override_values(resolved, options.common.overrides());
  validate(config);
  return resolved;
}

ExitCode run_train(const TrainOptions& options, const std::string& command_line) {
  set_up_logging(options.common.log);
  if (!options.dry_run) handle_stop_requests();
  const ProgressStyle progress = options.common.log.quiet
                                     ? ProgressStyle::kOff
                                     : choose<ProgressStyle>("--progress", options.common.progress);
  const std::vector<ConfigOverride> overrides = options.common.overrides();
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
  return run_training(config, {.resume = options.resume,
                               .start = std::move(start),
                               .fit = options.start.fit(),
                               .overwrite = options.overwrite,
                               .force = options.force,
                               .max_minutes = options.max_minutes,
                               .progress = progress,
                               .command_line = command_line});
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
  command->footer(
      examples({"ddpm train --config configs/cifar10.json --set data.path=cifar-10-binary.tar.gz",
                "ddpm train --config my.json --resume auto",
                "ddpm train --config configs/folder.json --set data.path=photos --init-from "
                "ddpm-cifar10-32",
                "ddpm train --config my.json --set training.batch_size=64 --dry-run"}));
  command->callback([&action, options, command_line] {
    action = [options, command_line] { return run_train(*options, command_line); };
  });
}

}  // namespace ddpm::cli
