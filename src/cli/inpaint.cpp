#include "ddpm/base/signals.h"
#include "ddpm/base/text.h"
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

// What is kept of the picture, for a network that is told it beside the image: Stable Diffusion's for
// inpainting takes the mask, 1 where it draws, and the latents of the picture that is grey there.
torch::Tensor beside_image(Drawing& drawing, const torch::Tensor& picture,
                           const torch::Tensor& keep, const torch::Tensor& keep_in_latents) {
  const torch::Tensor drawn = keep_in_latents.logical_not().to(torch::kFloat32);
  return torch::cat({drawn, drawing.autoencoder->to_latents(picture * keep)}, 1);
}

// Whether the network is told beside the image what is kept.
bool is_told_what_is_kept(const Drawing& drawing) {
  const std::int64_t in = drawing.model.config.model.in_channels,
                     channels = drawing.model.config.data.channels;
  if (in == 0) return false;
  if (!drawing.autoencoder || in != 2 * channels + 1)
    throw ConfigError(format_text(
        "this network takes {} channels for images of {}: it is not one for inpainting, and what the "
        "others are is not known",
        in, channels));
  return true;
}

// Sets the picture and what is kept of it; in latents, each pixel of which stands for several, if the
// model's images are these.
void set_picture(const InpaintOptions& options, Drawing& drawing, SampleRequest& request) {
  const DataConfig data = drawing.pictures();
  const std::vector<fs::path> path = {options.picture};
  const torch::Tensor picture = read_pictures(path, data),
                      keep = read_kept_pixels(options.mask, options.picture, data);
  request.pictures = picture;
  request.keep = keep;
  if (!drawing.autoencoder) return;
  const std::int64_t factor = data.height / drawing.model.config.data.height;
  request.pictures = drawing.autoencoder->to_latents(picture);
  request.keep = keep.slice(2, 0, std::nullopt, factor).slice(3, 0, std::nullopt, factor);
  if (!is_told_what_is_kept(drawing)) return;
  request.beside = beside_image(drawing, picture, keep, request.keep);
  request.keep = torch::Tensor();
}

// The plan of a network that is told what is kept: that of a picture, or of noise alone.
SamplerPlan told_plan(const InpaintOptions& options, const Config& config) {
  if (options.repeats.value_or(1) > 1 || options.jump_length)
    throw ConfigError(
        "--repeats, --jump-length: this network is told what is kept; it needs no jumps");
  if (options.strength == 1) return sampler_plan_for(config, config.sampling);
  return picture_plan_for(config, config.sampling, options.strength);
}

ExitCode run_inpaint(const InpaintOptions& options) {
  const auto count = [&](const Config& config) { return config.sampling.count; };
  Drawing drawing = open_drawing(options.drawing, count, {{"sampling.count", "1", "ddpm inpaint"}});
  const Config& config = drawing.model.config;
  SampleRequest request = request_of(options.drawing, drawing);
  request.told = {{"picture", options.picture},
                  {"mask", options.mask},
                  {"strength", format_text("{}", options.strength)}};
  if (is_told_what_is_kept(drawing)) {
    request.plan = told_plan(options, config);
  } else {
    const Jumps jumps =
        jumps_for(options, picture_plan_for(config, config.sampling, options.strength));
    request.plan = inpainting_plan_for(config, config.sampling, options.strength, jumps);
    log_info(jumps.times > 1 ? "RePaint: every {} steps are made {} times (--repeats 1: once)"
                             : "plain masking: without the jumps of RePaint",
             jumps.length, jumps.times);
    request.told.emplace_back("jump_length", std::to_string(jumps.length));
    request.told.emplace_back("repeats", std::to_string(jumps.times));
  }
  set_picture(options, drawing, request);
  draw_noise(options.drawing, config, request);
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
  add_text_options(*command, drawing.text);
  add_noise_option(*command, drawing);
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
