#include <iostream>

#include <nlohmann/json.hpp>

#include "command.h"
#include "ddpm/base/output.h"
#include "ddpm/base/signals.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/json.h"
#include "ddpm/sampling/vocode_files.h"

namespace ddpm::cli {
namespace {

struct VocodeOptions {
  CommonOptions common;
  std::string model, mel, sound, output, format{name_of(WavFormat::kPcm16)};
  std::int64_t chunk_frames = 0, batch_size = 0;
  bool picture = false, overwrite = false, json = false;
};

Runtime runtime_of(const CommonOptions& common) {
  const RunConfig run = apply_overrides({}, common.overrides()).run;
  const Runtime runtime = set_up_runtime(runtime_options(run));
  log_info("device: {}", runtime.description);
  return runtime;
}

VocodeRequest request_of(const VocodeOptions& options) {
  if (options.mel.empty() == options.sound.empty())
    throw ConfigError("give either --mel, a spectrogram, or --wav, sound to compute one from");
  return {.input = options.mel.empty() ? options.sound : options.mel,
          .input_is_sound = options.mel.empty(),
          .output = options.output,
          .format = choose<WavFormat>("--sample-format", options.format),
          .chunk_frames = options.chunk_frames,
          .batch_size = options.batch_size,
          .picture = options.picture,
          .overwrite = options.overwrite};
}

void report(const VocodedFile& file, bool json) {
  const double speed = file.sound_seconds / file.seconds;
  if (json) {
    std::cout << dump_json({{"input", file.input.string()},
                            {"output", file.output.string()},
                            {"sound_s", file.sound_seconds},
                            {"seconds", file.seconds},
                            {"generator_seconds", file.generator_seconds},
                            {"times_real_time", speed}})
              << '\n';
    return;
  }
  log_info("{}: {:.2f} s of sound in {:.2f} s, {:.1f} times as fast as it plays",
           shown(file.output), file.sound_seconds, file.seconds, speed);
  if (file.output != "-") print_path(file.output);
}

ExitCode run_vocode(const VocodeOptions& options) {
  set_up_logging(options.common.log);
  handle_stop_requests();
  const VocodeRequest request = request_of(options);
  Vocoder vocoder(options.model, runtime_of(options.common));
  return vocode_files(vocoder, request,
                      [&](const VocodedFile& file) { report(file, options.json); });
}

}  // namespace

void add_vocode(CLI::App& program, Action& action) {
  auto options = std::make_shared<VocodeOptions>();
  CLI::App* command =
      program.add_subcommand("vocode", "Turn mel spectrograms into sound with HiFi-GAN");
  command
      ->add_option(
          "--model", options->model,
          "Generator of HiFi-GAN: a folder with config.json and a checkpoint, or a checkpoint "
          "with config.json beside it")
      ->type_name("PATH")
      ->required();
  command
      ->add_option(
          "--mel", options->mel,
          "Spectrogram [bands,frames]: .npy, or .safetensors with tensor 'mel'; or a folder "
          "of them")
      ->type_name("PATH");
  command
      ->add_option("--wav", options->sound,
                   "Sound to compute the spectrogram from first, as `ddpm mel` does; or a folder")
      ->type_name("PATH");
  command
      ->add_option(
          "--output", options->output,
          "File to write, NAME.wav; - for standard output; for a folder of inputs a folder")
      ->type_name("PATH")
      ->required();
  command
      ->add_option("--sample-format", options->format,
                   format_text("Samples in the file: {} [{}]",
                               join_names(kChoiceNames<WavFormat>, " or "), options->format))
      ->type_name("NAME");
  command
      ->add_option(
          "--chunk-frames", options->chunk_frames,
          "Write the sound in chunks of so many frames as soon as they are ready; the bytes "
          "are the same for any number [as computed]")
      ->check(at_least(1))
      ->type_name("N");
  command
      ->add_option("--batch-size", options->batch_size,
                   "Files of a folder whose sounds are made together [16 on a GPU, else 1]")
      ->check(at_least(1))
      ->type_name("N");
  command->add_flag("--picture", options->picture,
                    "Also draw the spectrogram of the result, NAME.png beside NAME.wav");
  command->add_flag("--json", options->json, "Print one JSON object a file, with times in seconds");
  add_overwrite_option(*command, options->overwrite);
  add_common_options(*command, options->common);
  command->footer(examples(
      {"ddpm vocode --model hifi-gan --mel speech.npy --output speech.wav",
       "ddpm vocode --model hifi-gan/generator_v1 --wav recorded.wav --output again.wav --picture",
       "ddpm vocode --model hifi-gan --mel speech.npy --output - --chunk-frames 32 | aplay"}));
  command->callback([&action, options] { action = [options] { return run_vocode(*options); }; });
}

}  // namespace ddpm::cli
