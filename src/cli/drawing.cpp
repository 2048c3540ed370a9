#include "drawing.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>

#include "ddpm/base/progress.h"
#include "ddpm/base/text.h"
#include "ddpm/config/samplers.h"
#include "ddpm/diffusion/schedule.h"
#include "ddpm/runs/run_directory.h"
#include "ddpm/sampling/setup.h"

namespace ddpm::cli {
namespace {

// --model, else the run that --config names, else the newest below runs/.
ModelOptions choose_model(const DrawingOptions& options) {
  ModelOptions model = options.model;
  if (!model.path.empty()) return model;
  model.path = options.config.empty() ? newest_run(RunConfig{}.directory)
                                      : run_directory(load_config(options.config, {}).config);
  log_info("model: {}", model.path);
  return model;
}

// Weights alone fit images of many sizes.
void check_image_size_is_known(const DataConfig& data) {
  if (data.height > 0) return;
  throw ConfigError(
      "the size of this model's images is unknown: say it with --image-size 32 for squares, or "
      "48x32 for width x height; --set data.height=... and --set data.width=... say the same");
}

// Karras's and exponential levels begin at the last of the process, which with some schedules is so noisy that
// most of a few steps change nothing.
void warn_of_wasted_steps(const Config& config) {
  // As sigma / signal; a linear schedule ends at 157, a cosine at 20,000.
  constexpr double kMuch = 1000;
  if (config.sampling.sigmas == SigmaSpacing::kSchedule || config.sampling.sigma_max > 0) return;
  const double alpha_bar = NoiseSchedule(config.diffusion).alpha_bars().back();
  if (alpha_bar > 1 / (1 + kMuch * kMuch)) return;
  log_warning(
      "--sigmas {}: this process ends in nothing but noise, so that few steps are left for the picture; "
      "--sigma-max 20 leaves that out",
      config.sampling.sigmas);
}

// The images on the way that are kept of each image: a picture shows about ten, an animation fifty and
// what they are predicted to become, other files hold them all.
std::int64_t frames_of(const SampleOutput& output, bool trajectory, std::int64_t steps) {
  if (output.format == ImageFormat::kApng) return 2 * std::min<std::int64_t>(steps, 100);
  if (!trajectory) return 0;
  return output.format == ImageFormat::kPng ? std::min<std::int64_t>(steps, 10) : steps;
}

void check_memory_for(const DrawingOptions& options, const SampleOutput& output, std::int64_t count,
                      const Config& config, const Runtime& runtime) {
  const SamplingConfig& sampling = config.sampling;
  const std::int64_t steps =
      facts_of(sampling.sampler).evaluations * step_count(sampling, config.diffusion.timesteps);
  const std::int64_t frames = frames_of(output, options.output.trajectory, steps);
  const bool keeps = output.one_file || frames > 0;
  require_sampling_memory(config, runtime, count, keeps ? count * (1 + frames) : 0);
}

}  // namespace

void add_model_choice(CLI::App& command, DrawingOptions& options, bool alone) {
  add_model_options(command, options.model, alone ? "--model" : "-m,--model",
                    " [the newest run in runs/]");
  command.add_option("-c,--config", options.config, "Use the run named in this config")
      ->type_name("FILE")
      ->group("Model");
}

void add_output_options(CLI::App& command, DrawingOptions& options, const std::string& name) {
  options.output.name = name;
  command
      .add_option(
          "--output", options.output.path,
          format_text("What to write: a folder for single PNG files, or a file that ends in "
                      ".png (one picture of all images), .npz, .safetensors or .apng (an "
                      "animation of how they are drawn) [{0}, {0}.png, ...]",
                      name))
      ->type_name("PATH")
      ->group("Output");
  command
      .add_option("--format", options.output.format,
                  "Format to write if --output is not given: png, safetensors, npz or apng [png]")
      ->type_name("NAME")
      ->group("Output");
  command
      .add_flag("--grid", options.output.grid,
                "Write one picture of all images, as --output NAME.png does")
      ->group("Output");
  command
      .add_flag("--trajectory", options.output.trajectory,
                "Write the intermediate images too: a PNG with one row per image, tensor "
                "'trajectory' [S,N,C,H,W], or with .apng the noisy images and beside them the "
                "predicted ones")
      ->group("Output");
  add_overwrite_option(command, options.overwrite)->group("Output");
}

void add_noise_option(CLI::App& command, DrawingOptions& options) {
  command
      .add_option("--rng", options.rng,
                  "Whose random numbers images begin with: ddpm, or torch, those of torch.randn on "
                  "a CPU after torch.manual_seed(seed + index) [ddpm]")
      ->type_name("NAME")
      ->group("Sampling");
}

void add_common_drawing_options(CLI::App& command, DrawingOptions& options) {
  add_image_size_option(command, options.common);
  add_common_options(command, options.common);
  add_force_option(command, options.force);
}

DataConfig Drawing::pictures() const {
  return data_of_pictures(model.config.data, autoencoder ? &*autoencoder : nullptr);
}

Drawing open_drawing(const DrawingOptions& options,
                     const std::function<std::int64_t(const Config&)>& count,
                     const std::vector<ConfigOverride>& more) {
  Drawing drawing;
  drawing.output = choose_output(options.output);  // before a model is read
  check_text_options(options.text);
  const ModelOptions chosen = choose_model(options);
  const fs::path path = resolve_hub_cache(chosen.path);
  const std::optional<AutoencoderFile> autoencoder = autoencoder_for(options.text, path);
  const std::vector<std::string> prompts = prompts_of(options.text);
  std::vector<ConfigOverride> given = options.common.overrides();
  append_overrides(given, options.sampling);
  drawing.overrides = more;
  std::ranges::copy(text_defaults(prompts, path, given), std::back_inserter(drawing.overrides));
  std::ranges::copy(given, std::back_inserter(drawing.overrides));
  if (autoencoder) convert_to_latents(drawing.overrides, autoencoder->config);
  drawing.model =
      load_model(chosen, drawing.overrides, [&](const Config& config, const Runtime& runtime) {
        if (!options.force)
          check_memory_for(options, drawing.output, count(config), config, runtime);
      });
  Config& config = drawing.model.config;
  settle_guidance(drawing.overrides, config);
  check_ignored(drawing.overrides, options.sampling, config.sampling);
  settle_timesteps(drawing.overrides, options.sampling, config);
  warn_of_wasted_steps(config);
  if (autoencoder && autoencoder->config.latent_channels != config.data.channels)
    throw ConfigError(format_text(
        "{}: an autoencoder of latents with {}; this model's have {}", shown(autoencoder->weights),
        counted(autoencoder->config.latent_channels, "channel"), config.data.channels));
  if (autoencoder) settle_latent_size(drawing.model, autoencoder->config);
  check_image_size_is_known(config.data);
  drawing.classes = settle_classes(options.sampling, config);
  drawing.guide = load_guide(options.sampling, drawing.overrides);
  drawing.prompts = encode_prompts(options.text, prompts, path, drawing.model,
                                   autoencoder ? reduction_of(autoencoder->config) : 1);
  if (autoencoder)
    drawing.autoencoder.emplace(*autoencoder, AutoencoderRequest{.tiled = options.text.tiled},
                                drawing.model.runtime);
  return drawing;
}

SampleRequest request_of(const DrawingOptions& options, Drawing& drawing) {
  const SampleOutput& output = drawing.output;
  return {.output = output.path,
          .format = output.format,
          .grid = output.one_file && output.format == ImageFormat::kPng,
          .trajectory = options.output.trajectory || output.format == ImageFormat::kApng,
          .overwrite = options.overwrite,
          .progress = options.common.log.quiet
                          ? ProgressStyle::kOff
                          : choose<ProgressStyle>("--progress", options.common.progress),
          .classes = drawing.classes,
          .guide = drawing.guide ? &*drawing.guide : nullptr,
          .prompts = drawing.prompts,
          .autoencoder = drawing.autoencoder ? &*drawing.autoencoder : nullptr};
}

void draw_noise(const DrawingOptions& options, const Config& config, SampleRequest& request) {
  if (choose<NoiseSource>("--rng", options.rng) == NoiseSource::kDdpm) return;
  const SamplerPlan plan = request.plan ? *request.plan : sampler_plan_for(config, config.sampling);
  if (needs_of(plan).noise)
    throw ConfigError(format_text(
        "--rng torch: the sampler {} adds noise in its steps, which is always this program's own; "
        "choose one without, such as dpm++2m (--list-samplers)",
        config.sampling.sampler));
  const DataConfig& data = config.data;
  std::vector<torch::Tensor> noise;
  for (std::int64_t i = request.first; i < request.first + config.sampling.count; ++i) {
    auto generator =
        at::make_generator<at::CPUGeneratorImpl>(static_cast<std::uint64_t>(config.run.seed + i));
    noise.push_back(torch::randn({1, data.channels, data.height, data.width}, generator));
  }
  request.noise = torch::cat(noise);
}

}  // namespace ddpm::cli
