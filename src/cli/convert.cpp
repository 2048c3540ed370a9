#include "ddpm/base/output.h"
#include "ddpm/base/text.h"
#include "ddpm/interop/diffusers.h"
#include "ddpm/io/export_model.h"
#include "ddpm/io/hifi_gan_file.h"
#include "model_options.h"
#include "sampling_options.h"

namespace ddpm::cli {
namespace {

struct ConvertOptions {
  CommonOptions common;
  ModelOptions model;
  SamplingOptions sampling;
  std::string output, target, dtype = "fp32";
};

// diffusers' own pipelines do not pass classes on.
void say_how_to_ask_for_a_class(const Config& config, const fs::path& folder) {
  log_info(
      "this network needs a class for each image, which diffusers' DDPMPipeline does not pass; call the "
      "network itself: UNet2DModel.from_pretrained(\"{}\")(x, t, class_labels=labels), with labels "
      "from 0 to {}{}",
      shown(folder / "unet"), config.model.classes - 1,
      config.model.null_class ? format_text(", and {} for no class", config.model.classes) : "");
}

// Generators of HiFi-GAN have two formats of their own, and their tensors are not changed otherwise.
ExitCode convert_generator(const ConvertOptions& options, HifiGanFormat format) {
  for (const fs::path& file :
       export_hifi_gan(open_hifi_gan(options.model.path), format, options.output))
    print_path(file);
  return ExitCode::kSuccess;
}

// The files of other layouts do not say how to sample.
void check_sampler_is_written(const SamplingOptions& options, ModelFormat target) {
  if (target == ModelFormat::kDiffusers || target == ModelFormat::kDdpm) return;
  for (const auto& [option, value] : {std::pair{"--sampler", &options.sampler},
                                      {"--sigmas", &options.sigmas},
                                      {"--spacing", &options.spacing}})
    if (*value)
      throw ConfigError(
          format_text("{}: files of {} do not say how to sample; only --to diffusers and ddpm do",
                      option, target));
}

// What a user of the scheduler in diffusers has to know.
void say_how_to_sample(const Config& config, const fs::path& folder) {
  if (config.sampling.sampler == SamplerKind::kDpmSolver3mSde)
    log_warning(
        "diffusers 0.42 has a wrong sign in the third order of sde-dpmsolver++, so its images differ");
  const auto name = scheduler_config(config)["_class_name"].get<std::string>();
  if (config.model.context_width == 0 && pipeline_index(config).is_null())
    log_info(
        "there is no model_index.json, since diffusers' DDPMPipeline cannot run {0}; load it with "
        "{0}.from_pretrained(\"{1}\", subfolder=\"scheduler\"), and the network with "
        "UNet2DModel.from_pretrained(\"{1}\", subfolder=\"unet\")",
        name, shown(folder));
}

std::string target_names() {
  return join_names(kChoiceNames<ModelFormat>) + "; for generators of HiFi-GAN " +
         join_names(kChoiceNames<HifiGanFormat>, " or ");
}

ExitCode run_convert(const ConvertOptions& options) {
  set_up_logging(options.common.log);
  if (const std::optional<HifiGanFormat> format = parse_choice<HifiGanFormat>(options.target))
    return convert_generator(options, *format);
  std::vector<ConfigOverride> overrides = options.common.overrides();
  append_overrides(overrides, options.sampling);
  overrides.push_back({"run.device", "cpu", "ddpm convert"});
  const auto target = choose<ModelFormat>("--to", shorten(options.target));
  check_sampler_is_written(options.sampling, target);
  const LoadedModel model = load_model(options.model, std::move(overrides));
  const ExportRequest request{.target = target,
                              .dtype = choose<ExportType>("--dtype", options.dtype)};
  for (const fs::path& file : export_model(model.config, model.weights(), request, options.output))
    print_path(file);
  if (target != ModelFormat::kDiffusers) return ExitCode::kSuccess;
  say_how_to_sample(model.config, options.output);
  if (model.config.model.class_embedding == ClassEmbeddingKind::kTable)
    say_how_to_ask_for_a_class(model.config, options.output);
  return ExitCode::kSuccess;
}

}  // namespace

void add_convert(CLI::App& program, Action& action) {
  auto options = std::make_shared<ConvertOptions>();
  CLI::App* command =
      program.add_subcommand("convert", "Write a model in the layout of another program");
  add_model_options(*command, options->model)->required();
  command->add_option("--to", options->target, "Layout: " + target_names())
      ->type_name("NAME")
      ->required();
  command->add_option("--output", options->output, "Folder to write, new or empty")
      ->type_name("DIR")
      ->required();
  command
      ->add_option("--dtype", options->dtype,
                   format_text("Number format to write: fp32, fp16 or bf16 [{}]", options->dtype))
      ->type_name("NAME");
  add_sampler_choice(*command, options->sampling);
  add_image_size_option(*command, options->common);
  add_set_option(*command, options->common);
  add_log_options(*command, options->common);
  command->footer(examples(
      {"ddpm convert --model runs/cifar10 --to diffusers --output for_diffusers",
       "ddpm convert --model runs/cifar10 --to diffusers --sampler dpm++2m --sigmas karras "
       "--output fast",
       "ddpm convert --model ddpm-cifar10-32 --to ddpm --output own"}));
  command->callback([&action, options] { action = [options] { return run_convert(*options); }; });
}

}  // namespace ddpm::cli
