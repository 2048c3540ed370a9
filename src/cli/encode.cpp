#include "command.h"
#include "ddpm/base/output.h"
#include "ddpm/base/text.h"
#include "ddpm/sampling/latent_files.h"

namespace ddpm::cli {
namespace {

struct LatentOptions {
  CommonOptions common;
  std::string input, output, vae;
  std::optional<double> scale;
  bool tiled = false, overwrite = false;
};

// The outputs are compared with other programs', so `auto` is fp32 here on every device.
LoadedAutoencoder load(const LatentOptions& options) {
  RuntimeOptions settings = runtime_options(apply_overrides({}, options.common.overrides()).run);
  if (settings.precision == Precision::kAuto) settings.precision = Precision::kFp32;
  const Runtime runtime = set_up_runtime(settings);
  log_info("device: {}", runtime.description);
  return {{.model = options.vae, .scale = options.scale, .tiled = options.tiled}, runtime};
}

std::optional<PictureSize> size_of(const LatentOptions& options) {
  if (!options.common.image_size) return std::nullopt;
  const DataConfig data = apply_overrides({}, options.common.overrides()).data;
  return PictureSize{.width = data.width, .height = data.height};
}

ExitCode run_encode(const LatentOptions& options) {
  set_up_logging(options.common.log);
  const std::optional<PictureSize> size = size_of(options);
  check_output_file(options.output, options.overwrite);
  LoadedAutoencoder autoencoder = load(options);
  encode_pictures(autoencoder, options.input, size, options.output,
                  [](const std::filesystem::path& path) { log_debug("{}", shown(path)); });
  print_path(options.output);
  return ExitCode::kSuccess;
}

ExitCode run_decode(const LatentOptions& options) {
  set_up_logging(options.common.log);
  if (options.output.ends_with(".safetensors"))
    check_output_file(options.output, options.overwrite);
  LoadedAutoencoder autoencoder = load(options);
  read_as_data([&] {
    for (const std::filesystem::path& path :
         decode_latents(autoencoder, options.input, options.output))
      print_path(path);
    return true;
  });
  return ExitCode::kSuccess;
}

void add_vae_options(CLI::App& command, LatentOptions& options) {
  command
      .add_option(
          "--vae", options.vae,
          "Autoencoder of Stable Diffusion: a diffusers folder, a file of it alone, or a whole "
          "model")
      ->type_name("PATH")
      ->required();
  command
      .add_option(
          "--scale", options.scale,
          "What diffusion models multiply latents by [as the model's files say; else 0.13025 "
          "for XL and 0.18215]")
      ->check(between(1e-6, 1e6))
      ->type_name("X");
  command.add_flag(
      "--tiled", options.tiled,
      "Compute pictures larger than those of training in tiles, as diffusers does: less "
      "memory, another result");
}

void add_precision_note(CLI::App& command) {
  command.get_option("--precision")
      ->description(
          "Number format to compute in: auto, fp32, tf32 or bf16; auto is fp32 here [auto]");
}

}  // namespace

void add_encode(CLI::App& program, Action& action) {
  auto options = std::make_shared<LatentOptions>();
  CLI::App* command = program.add_subcommand(
      "encode", "Turn pictures into latents with the autoencoder of Stable Diffusion");
  command->add_option("input", options->input, "Picture, or a folder of them")
      ->type_name("PATH")
      ->required();
  command
      ->add_option("--output", options->output,
                   "File to write, with tensor 'latents' [N,C,h,w] float32, the means, and the "
                   "metadata 'scale'")
      ->type_name("FILE.safetensors")
      ->required();
  add_vae_options(*command, *options);
  add_image_size_option(*command, options->common);
  command->get_option("--image-size")
      ->description("Resize each picture to cover WxH pixels and take its centre [as they are]");
  add_overwrite_option(*command, options->overwrite);
  add_common_options(*command, options->common);
  add_precision_note(*command);
  command->footer(
      examples({"ddpm encode photos --vae sd15.safetensors --image-size 512x512 --output "
                "latents.safetensors"}));
  command->callback([&action, options] { action = [options] { return run_encode(*options); }; });
}

void add_decode(CLI::App& program, Action& action) {
  auto options = std::make_shared<LatentOptions>();
  CLI::App* command = program.add_subcommand(
      "decode", "Turn latents into pictures with the autoencoder of Stable Diffusion");
  command
      ->add_option("input", options->input,
                   "File with tensor 'latents' [N,C,h,w]; its metadata 'scale' is what they are "
                   "still to be multiplied by [1]")
      ->type_name("FILE.safetensors")
      ->required();
  command
      ->add_option(
          "--output", options->output,
          "New folder for 000000.png, ...; or NAME.safetensors for tensor 'images' [N,C,H,W] "
          "float32, not rounded")
      ->type_name("PATH")
      ->required();
  add_vae_options(*command, *options);
  add_overwrite_option(*command, options->overwrite);
  add_common_options(*command, options->common);
  add_precision_note(*command);
  command->footer(
      examples({"ddpm decode latents.safetensors --vae sd15.safetensors --output pictures"}));
  command->callback([&action, options] { action = [options] { return run_decode(*options); }; });
}

}  // namespace ddpm::cli
