#include "command.h"
#include "ddpm/base/file.h"
#include "ddpm/base/output.h"
#include "ddpm/base/signals.h"
#include "ddpm/base/text.h"
#include "ddpm/sampling/caption_contexts.h"
#include "ddpm/sampling/prompts.h"

namespace ddpm::cli {
namespace {

struct ContextOptions {
  CommonOptions common;
  std::string captions, output, text_encoder;
  std::int64_t width = 0;  // of a new text encoder; 0: none is made
  bool overwrite = false;
};

ExitCode run_contexts(const ContextOptions& options) {
  set_up_logging(options.common.log);
  handle_stop_requests();
  const std::vector<std::string> captions = lines_of(
      read_as_data([&] { return read_file(options.captions, std::size_t{1} << 30); }), "captions");
  check_output_file(options.output, options.overwrite);
  const RunConfig run = apply_overrides({}, options.common.overrides()).run;
  if (options.width > 0) {
    if (path_exists(options.text_encoder))
      throw ConfigError(format_text("--new: '{}' exists already", shown(options.text_encoder)));
    make_text_encoder(options.text_encoder, options.width, static_cast<std::uint64_t>(run.seed));
    log_info("{}: a text encoder with random weights, which knows no words", options.text_encoder);
  }
  const TextEncoderFiles files = open_text_encoders(options.text_encoder);
  if (files.encoders.empty())
    throw ConfigError(
        format_text("--text-encoder: there is none in '{}'", shown(options.text_encoder)));
  RuntimeOptions runtime = runtime_options(run);
  if (runtime.precision == Precision::kAuto) runtime.precision = Precision::kFp32;
  TextEncoders encoders(files, set_up_runtime(runtime));
  write_contexts(encoders, captions, options.output);
  if (!stop_requested()) print_path(options.output);
  return stop_exit_code();
}

}  // namespace

void add_contexts(CLI::App& program, Action& action) {
  auto options = std::make_shared<ContextOptions>();
  CLI::App* command = program.add_subcommand(
      "contexts", "Encode captions, for training a text-to-image model (data.context)");
  command
      ->add_option("captions", options->captions,
                   "A file of captions, one a line: for each image, or for each class")
      ->type_name("FILE.txt")
      ->required();
  command
      ->add_option("--text-encoder", options->text_encoder,
                   "Text encoder: a folder of transformers or diffusers, or a whole model")
      ->type_name("PATH")
      ->required();
  command
      ->add_option(
          "--new", options->width,
          "Make the folder of --text-encoder first: one with random weights of --seed whose "
          "contexts have this many channels")
      ->check(between(8, 1024))
      ->type_name("WIDTH");
  command->add_option("--output", options->output, "File to write, see docs/formats/contexts.md")
      ->type_name("FILE.safetensors")
      ->required();
  add_overwrite_option(*command, options->overwrite);
  add_common_options(*command, options->common);
  command->footer(examples(
      {"ddpm contexts captions.txt --text-encoder clip --new 64 --output contexts.safetensors",
       "ddpm contexts captions.txt --text-encoder sd15.safetensors --output contexts.safetensors"}));
  command->callback([&action, options] {
    action = [options] {
      if (options->width % 8 != 0) throw ConfigError("--new: WIDTH must be a multiple of 8");
      return run_contexts(*options);
    };
  });
}

}  // namespace ddpm::cli
