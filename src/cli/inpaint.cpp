#include "ddpm/base/signals.h"
#include "ddpm/base/text.h"
#include "ddpm/config/validate.h"
#include "ddpm/data/pictures.h"
#include "ddpm/sampling/setup.h"
#include "drawing.h"

namespace ddpm::cli {
namespace {

struct InpaintOptions {
  DrawingOptions drawing;
  std::string picture, mask;
  double strength = 1;
  std::optional<std::int64_t> repeats, jump_length;
};

// RePaint where the sampler can do it, unless the user says otherwise.
Jumps jumps_for(const InpaintOptions& options, const SamplerPlan& plan) {
  Jumps jumps;
  if (options.jump_length) jumps.length = *options.jump_length;
  const bool asked = options.repeats.has_value() || options.jump_length.has_value();
  const auto rows = std::ssize(plan.steps);
  if (rows <= jumps.length) {
    if (asked && options.repeats.value_or(2) > 1)
      throw ConfigError(format_text(
          "--jump-length {}: there are only {}; make it smaller, or give --repeats 1 for no jumps",
          jumps.length, counted(rows, "step")));
    jumps.times = 1;
    return jumps;
  }
  const SamplerNeeds needs = needs_of(plan);
  const bool remembers = needs.history > 0 || needs.second_image;
  jumps.times = options.repeats.value_or(remembers && !asked ? 1 : jumps.times);
  return jumps;
}

ExitCode run_inpaint(const InpaintOptions& options) {
  const auto count = [&](const Config& config) { return config.sampling.count; };
  Drawing drawing = open_drawing(options.drawing, count, {{"sampling.count", "1", "ddpm inpaint"}});
  const Config& config = drawing.model.config;
  check_predicts_image(config);
  SampleRequest request = request_of(options.drawing, drawing);
  const Jumps jumps =
      jumps_for(options, picture_plan_for(config, config.sampling, options.strength));
  request.plan = inpainting_plan_for(config, config.sampling, options.strength, jumps);
  log_info(jumps.times > 1 ? "RePaint: every {} steps are made {} times (--repeats 1: once)"
                           : "plain masking: without the jumps of RePaint",
           jumps.length, jumps.times);
  const std::vector<fs::path> picture = {options.picture};
  request.keep = read_kept_pixels(options.mask, options.picture, config.data);
  request.pictures = read_pictures(picture, config.data);
  request.told = {{"picture", options.picture},
                  {"mask", options.mask},
                  {"strength", format_text("{}", options.strength)},
                  {"jump_length", std::to_string(jumps.length)},
                  {"repeats", std::to_string(jumps.times)}};
  return sample_images(drawing.model, request);
}

}  // namespace

void add_inpaint(CLI::App& program, Action& action) {
  auto options = std::make_shared<InpaintOptions>();
  CLI::App* command =
      program.add_subcommand("inpaint", "Draw a part of a picture anew, so that it fits the rest");
  command
      ->add_option(
          "picture", options->picture,
          "The picture, fitted to the model's size; what is kept of it stays to the last bit")
      ->type_name("IMG")
      ->required();
  command
      ->add_option(
          "--mask", options->mask,
          "A picture of the same size that is white where new pixels are drawn, and black or "
          "transparent where they are kept")
      ->type_name("IMG")
      ->required();
  DrawingOptions& drawing = options->drawing;
  add_model_choice(*command, drawing, /*alone=*/false);
  add_sampler_options(*command, drawing.sampling);
  command
      ->add_option(
          "--strength", options->strength,
          "Share of the steps that is made: below 1 the new part begins as the picture's own "
          "with noise [1]")
      ->check(between(0, 1))
      ->type_name("X")
      ->group("Sampling");
  command
      ->add_option(
          "--repeats", options->repeats,
          "How often RePaint makes each stretch of steps; 1: once, plain masking [10; 1 for "
          "samplers with a memory]")
      ->check(between(1, 1000))
      ->type_name("N")
      ->group("Sampling");
  command->add_option("--jump-length", options->jump_length, "Steps of such a stretch [10]")
      ->check(between(1, 1e6))
      ->type_name("N")
      ->group("Sampling");
  add_count_options(*command, drawing.sampling, "Number of versions [1]");
  add_class_options(*command, drawing.sampling);
  add_guidance_options(*command, drawing.sampling);
  add_output_options(*command, drawing, "inpainted");
  add_common_drawing_options(*command, drawing);
  command->footer(
      examples({"ddpm inpaint photo.png --mask hole.png --model runs/cifar10 --steps 250",
                "ddpm inpaint photo.png --mask hole.png --sampler dpm++2m --steps 30 --count "
                "8 --output versions.png"}));
  command->callback([&action, options] {
    action = [options] {
      set_up_logging(options->drawing.common.log);
      handle_stop_requests();
      return run_inpaint(*options);
    };
  });
}

}  // namespace ddpm::cli
