#include <iostream>

#include "ddpm/base/signals.h"
#include "ddpm/base/text.h"
#include "ddpm/config/samplers.h"
#include "ddpm/data/pictures.h"
#include "ddpm/distributed/placement.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/io/weights.h"
#include "ddpm/sampling/setup.h"
#include "drawing.h"
#include "ranks.h"
#include "repeat.h"

namespace ddpm::cli {
namespace {

struct SampleOptions {
  DrawingOptions drawing;
  RankOptions ranks;
  std::string noise, init_image;
  std::string from;  // a picture that is drawn again
  std::optional<double> strength, amount;
  std::optional<std::int64_t> variations_of;
  bool list_samplers = false;
};

torch::Tensor read_noise(const fs::path& path, const DataConfig& shape) {
  const SafetensorsFile file(path);
  torch::Tensor noise = to_tensor(file.get("noise"));
  if (noise.scalar_type() != torch::kFloat32 || noise.dim() != 4 || noise.size(0) < 1 ||
      noise.size(1) != shape.channels || noise.size(2) != shape.height ||
      noise.size(3) != shape.width)
    throw DataError(format_text("{}: 'noise' must be float32 [N,{},{},{}]", path.string(),
                                shape.channels, shape.height, shape.width));
  return noise;
}

void check_options(const SampleOptions& options) {
  const bool picture = !options.init_image.empty(), variations = options.variations_of.has_value();
  if (!options.noise.empty() && (picture || variations))
    throw ConfigError(format_text("--noise and {}: both say what the images begin with",
                                  picture ? "--init-image" : "--variations-of"));
  if (!options.noise.empty() && options.drawing.rng != name_of(NoiseSource::kDdpm))
    throw ConfigError("--noise and --rng: both say what the images begin with");
  if (options.strength && !picture)
    throw ConfigError("--strength: how much of a picture is drawn anew; add --init-image");
  if (options.amount && !variations)
    throw ConfigError("--amount: how far variations go; add --variations-of");
}

// Images to draw: as many as the file of --noise has, else those that the config asks for; without
// --count one for each picture of --init-image.
std::int64_t count_of(const SampleOptions& options, const Config& config) {
  if (!options.init_image.empty() && !options.drawing.sampling.count)
    return std::ssize(find_pictures(options.init_image, config.data));
  if (options.noise.empty()) return config.sampling.count;
  const std::vector<std::int64_t> shape =
      read_as_data([&] { return SafetensorsFile(options.noise).get("noise").shape; });
  return shape.empty() ? 1 : shape.front();
}

void begin_with_pictures(const SampleOptions& options, Drawing& drawing, SampleRequest& request) {
  const double strength = options.strength.value_or(0.6);
  const Config& config = drawing.model.config;
  const DataConfig data = drawing.pictures();
  request.plan = picture_plan_for(config, config.sampling, strength);
  request.pictures = read_pictures(find_pictures(options.init_image, data), data);
  if (drawing.autoencoder) request.pictures = drawing.autoencoder->to_latents(request.pictures);
  request.told = {{"init_image", options.init_image}, {"strength", format_text("{}", strength)}};
}

// The options of one of several processes: its device, and its share of the cores.
SampleOptions options_of_rank(SampleOptions options, const World& world) {
  CommonOptions& common = options.drawing.common;
  if (!common.device && options.ranks.ranks) common.device = "cpu";
  common.device = device_of(common.device.value_or("auto"), world);
  if (const std::int64_t threads = threads_of(common.threads.value_or(0), world); threads > 0)
    common.threads = threads;
  if (!world.leads()) common.log.quiet = true;
  return options;
}

// As this process alone (`group` is null), or as one of several.
ExitCode sample(const SampleOptions& asked, ProcessGroup* group) {
  SampleOptions options = group != nullptr ? options_of_rank(asked, group->world()) : asked;
  const std::int64_t first =
      options.from.empty() ? 0 : repeat_picture(options.from, options.drawing);
  Drawing drawing = open_drawing(options.drawing,
                                 [&](const Config& config) { return count_of(options, config); });
  Config& config = drawing.model.config;
  if (!options.init_image.empty()) config.sampling.count = count_of(options, config);
  if (options.noise.empty() && options.init_image.empty())
    deal_evenly(drawing.overrides, drawing.classes.size(), config);
  SampleRequest request = request_of(options.drawing, drawing);
  request.first = first;
  if (!options.noise.empty())
    request.noise = read_as_data([&] { return read_noise(options.noise, config.data); });
  if (!options.init_image.empty()) begin_with_pictures(options, drawing, request);
  if (options.variations_of)
    request.variation = Variation{.of = static_cast<std::uint64_t>(*options.variations_of),
                                  .amount = options.amount.value_or(0.2)};
  request.group = group;
  draw_noise(options.drawing, config, request);
  const ExitCode code = sample_images(drawing.model, request);
  // Only now, because it waits for the hash of the model's file.
  if (!options.from.empty()) compare_model(options.from, drawing.model);
  return code;
}

ExitCode run_sample(const SampleOptions& options) {
  if (options.list_samplers) {
    std::cout << list_of_samplers();
    return ExitCode::kSuccess;
  }
  check_options(options);
  return run_ranks(options.ranks, [&](ProcessGroup* group) { return sample(options, group); });
}

void add_edit_options(CLI::App& command, SampleOptions& options) {
  constexpr const char* kGroup = "Beginning with an image";
  command
      .add_option("--noise", options.noise,
                  "Start from tensor 'noise' [N,C,H,W] float32 of this file instead of "
                  "random noise; makes N images")
      ->type_name("FILE.safetensors")
      ->group(kGroup);
  command
      .add_option(
          "--init-image", options.init_image,
          "Start from this picture, or the pictures of this folder, with noise; they are fitted "
          "to the model's size. Without --count one image is made of each")
      ->type_name("IMG|DIR")
      ->group(kGroup);
  command
      .add_option(
          "--strength", options.strength,
          "With --init-image: the share of the steps that is made, and so how much is drawn "
          "anew, above 0 to 1 [0.6]")
      ->check(between(0, 1))
      ->type_name("X")
      ->group(kGroup);
  command
      .add_option(
          "--variations-of", options.variations_of,
          "Draw images near image INDEX of this seed: with noise between its noise and new noise")
      ->check(between(0, 1e9))
      ->type_name("INDEX")
      ->group(kGroup);
  command
      .add_option(
          "--amount", options.amount,
          "With --variations-of: how far they are from it, from 0 (the image itself) to 1 (new "
          "images) [0.2]")
      ->check(between(0, 1))
      ->type_name("A")
      ->group(kGroup);
}

}  // namespace

void add_sample(CLI::App& program, Action& action) {
  auto options = std::make_shared<SampleOptions>();
  CLI::App* command = program.add_subcommand("sample", "Generate images with a trained model");
  DrawingOptions& drawing = options->drawing;
  add_model_choice(*command, drawing, /*alone=*/true);
  add_sampler_options(*command, drawing.sampling);
  command
      ->add_flag("--list-samplers", options->list_samplers,
                 "Describe the samplers in a line each, and do nothing else")
      ->group("Sampling");
  add_count_options(*command, drawing.sampling, "Number of images [64]");
  add_class_options(*command, drawing.sampling);
  add_guidance_options(*command, drawing.sampling);
  add_text_options(*command, drawing.text);
  command
      ->add_option("--from", options->from,
                   "Draw this picture again: prompts, steps, sampler, guidance, seed and size are "
                   "those of its PNG text, as this program and webui write it, unless options say "
                   "otherwise")
      ->type_name("FILE.png")
      ->group("Prompts");
  add_noise_option(*command, drawing);
  add_edit_options(*command, *options);
  add_output_options(*command, drawing, "samples");
  add_common_drawing_options(*command, drawing);
  add_rank_options(*command, options->ranks);
  command->footer(examples(
      {"ddpm sample --steps 1000",
       "ddpm sample --model runs/cifar10 --steps 250 --count 64 --output grid.png",
       "ddpm sample --model runs/cifar10 --sampler ddim --steps 50",
       "ddpm sample --model runs/cifar10 --sampler dpm++2m --sigmas karras --steps 20",
       "ddpm sample --model runs/cifar10 --class all --guidance 2 --output classes.png",
       "ddpm sample --model sd15.safetensors --prompt \"a red fox in snow\" --output fox.png",
       "ddpm sample --model runs/cifar10 --init-image sketch.png --strength 0.6 --count 8",
       "ddpm sample --model runs/cifar10 --variations-of 17 --amount 0.2 --count 8",
       "ddpm sample --model runs/cifar10 --steps 50 --count 16 --output run.apng",
       "ddpm sample --model runs/cifar10 --count 50000 --output samples.npz --gpus all"}));
  command->callback([&action, options] {
    action = [options] {
      set_up_logging(options->drawing.common.log);
      handle_stop_requests();
      return run_sample(*options);
    };
  });
}

}  // namespace ddpm::cli
