#include "command.h"
#include "ddpm/audio/sound.h"
#include "ddpm/base/file.h"
#include "ddpm/base/output.h"
#include "ddpm/data/sound_files.h"
#include "ddpm/io/hifi_gan_file.h"
#include "ddpm/io/mel_file.h"

namespace ddpm::cli {
namespace {

struct MelOptions {
  CommonOptions common;
  std::string input, output, model;
  bool overwrite = false;
};

// The recipe of the model, or that of the published ones.
MelConfig recipe_of(const MelOptions& options) {
  if (options.model.empty()) return {};
  return hifi_gan_config_of(options.model).mel;
}

// --output, or for one file NAME.safetensors in the current folder.
fs::path output_of(const MelOptions& options) {
  if (!options.output.empty()) return options.output;
  if (is_folder(options.input))
    throw ConfigError("--output is required for a folder of inputs: the folder to write");
  return fs::path(options.input).filename().replace_extension(".safetensors");
}

ExitCode run_mel(const MelOptions& options) {
  set_up_logging(options.common.log);
  const MelConfig recipe = recipe_of(options);
  const std::vector<FilePair> files =
      pair_files(options.input, output_of(options), {".safetensors", ".npy"}, has_sound_extension);
  for (const FilePair& pair : files) check_output_file(pair.output, options.overwrite);
  for_each_file(files, [&](const FilePair& pair) {
    write_mel(pair.output, mel_of_file(pair.input, recipe));
    print_path(pair.output);
  });
  return ExitCode::kSuccess;
}

}  // namespace

void add_mel(CLI::App& program, Action& action) {
  auto options = std::make_shared<MelOptions>();
  CLI::App* command =
      program.add_subcommand("mel", "Compute the mel spectrogram of sound, as HiFi-GAN needs it");
  command->add_option("input", options->input, "File of sound, or a folder of them")
      ->type_name("PATH")
      ->required();
  command
      ->add_option(
          "--output", options->output,
          "File to write, .safetensors (tensor 'mel' [bands,frames] float32) or .npy; for a "
          "folder of inputs a folder [NAME.safetensors]")
      ->type_name("PATH");
  command
      ->add_option("--model", options->model,
                   "Generator of HiFi-GAN, or its config, whose recipe is used [the published one: "
                   "22050 Hz, 80 bands from 0 to 8000 Hz, 256 samples a frame]")
      ->type_name("PATH");
  add_overwrite_option(*command, options->overwrite);
  add_log_options(*command, options->common);
  command->footer(examples({"ddpm mel speech.wav", "ddpm mel recordings --output spectrograms"}));
  command->callback([&action, options] { action = [options] { return run_mel(*options); }; });
}

}  // namespace ddpm::cli
