#include <algorithm>
#include <charconv>
#include <iostream>

#include "ddpm/base/progress.h"
#include "ddpm/base/signals.h"
#include "ddpm/base/text.h"
#include "ddpm/config/samplers.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/io/weights.h"
#include "ddpm/runs/run_directory.h"
#include "ddpm/sampling/job.h"
#include "model_options.h"
#include "sample_output.h"

namespace ddpm::cli {
namespace {

struct SampleOptions {
  CommonOptions common;
  ModelOptions model;
  OutputOptions output;
  std::string config, noise;
  std::optional<std::string> sampler, sigmas, spacing;
  std::optional<std::int64_t> steps, count, batch_size;
  std::optional<std::string> class_name;
  std::optional<double> eta;
  bool overwrite = false;
  bool force = false;
  bool list_samplers = false;
};

std::vector<ConfigOverride> overrides_of(const SampleOptions& options) {
  std::vector<ConfigOverride> list = options.common.overrides();
  if (options.sampler)
    list.push_back(
        {"sampling.sampler", std::string(name_of(find_sampler(*options.sampler))), "--sampler"});
  append_override(list, options.sigmas, "sampling.sigmas", "--sigmas");
  append_override(list, options.spacing, "sampling.spacing", "--spacing");
  append_override(list, options.eta, "sampling.eta", "--eta");
  append_override(list, options.steps, "sampling.steps", "--steps");
  append_override(list, options.count, "sampling.count", "--count");
  append_override(list, options.batch_size, "sampling.batch_size", "--batch-size");
  return list;
}

// --model, else the run that --config names, else the newest below runs/.
ModelOptions choose_model(const SampleOptions& options) {
  ModelOptions model = options.model;
  if (!model.path.empty()) return model;
  model.path = options.config.empty() ? newest_run(RunConfig{}.directory)
                                      : run_directory(load_config(options.config, {}).config);
  log_info("model: {}", model.path);
  return model;
}

[[noreturn]] void refuse_class(const std::string& text, const std::vector<std::string>& names) {
  if (names.empty())
    throw ConfigError(format_text(
        "--class: this model does not know the names of its classes; give the number of '{}'",
        shorten(text)));
  const std::string likely = nearest(text, names);
  throw ConfigError(format_text("--class: unknown '{}'; {}", shorten(text),
                                likely.empty() ? "choose from " + shorten(join(names), 300)
                                               : "did you mean '" + likely + "'?"));
}

// The number of the class that --class names: by its name as `ddpm inspect` shows it, by that of its
// folder, which may hold characters that are not shown, or by its number. A name wins, because people
// who call their folders 1, 2, 10 mean the folder.
std::int64_t class_number(const std::string& text, const std::vector<std::string>& names) {
  const auto count = static_cast<std::int64_t>(names.size());
  const auto position = [&](const std::string& name) -> std::int64_t {
    return std::ranges::find(names, name) - names.begin();
  };
  const std::int64_t as_shown = position(text), as_called = position(escaped(text));
  if (as_shown != as_called && as_shown < count && as_called < count)
    throw ConfigError(format_text(
        "--class: '{}' is class {} as names are shown, and class {} as its folder is called; give "
        "the number",
        shorten(text), as_shown, as_called));
  std::int64_t number = std::min(as_shown, as_called);
  if (number == count) {
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec != std::errc() || parsed.ptr != end || number < 0) refuse_class(text, names);
  }
  if (number < count) log_info("class: {} ({})", number, names[static_cast<std::size_t>(number)]);
  return number;
}

// An eta that the sampler ignores would look as if it had been used.
void check_eta(const std::vector<ConfigOverride>& overrides, const SamplingConfig& sampling) {
  if (sampling.sampler == SamplerKind::kDdim) return;
  if (const ConfigOverride* eta = find_override(overrides, "sampling.eta"))
    throw ConfigError(
        format_text("{}: the sampler {} has no eta; add --sampler ddim, or leave eta out",
                    eta->origin, sampling.sampler));
}

// Weights alone fit images of many sizes.
void check_image_size_is_known(const DataConfig& data) {
  if (data.height > 0) return;
  throw ConfigError(
      "the size of this model's images is unknown: say it with --image-size 32 for squares, or "
      "48x32 for width x height; --set data.height=... and --set data.width=... say the same");
}

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

SampleRequest request_of(const SampleOptions& options, const SampleOutput& output,
                         const Config& config) {
  SampleRequest request{
      .output = output.path,
      .format = output.format,
      .grid = output.one_file && output.format == ImageFormat::kPng,
      .trajectory = options.output.trajectory,
      .overwrite = options.overwrite,
      .progress = options.common.log.quiet
                      ? ProgressStyle::kOff
                      : choose<ProgressStyle>("--progress", options.common.progress)};
  if (!options.noise.empty())
    request.noise = read_as_data([&] { return read_noise(options.noise, config.data); });
  return request;
}

// Images to draw: as many as the file of --noise has, else those that the config asks for.
std::int64_t count_of(const SampleOptions& options, const Config& config) {
  if (options.noise.empty()) return config.sampling.count;
  const std::vector<std::int64_t> shape =
      read_as_data([&] { return SafetensorsFile(options.noise).get("noise").shape; });
  return shape.empty() ? 1 : shape.front();
}

void check_memory_for(const SampleOptions& options, const SampleOutput& output,
                      const Config& config, const Runtime& runtime) {
  const std::int64_t count = count_of(options, config);
  const SamplingConfig& sampling = config.sampling;
  const std::int64_t steps = facts_of(sampling.sampler).evaluations *
                             (sampling.steps > 0 ? sampling.steps : config.diffusion.timesteps);
  // A picture shows about ten images on the way, other files hold them all.
  const bool picture = output.format == ImageFormat::kPng;
  const std::int64_t frames = !options.output.trajectory ? 0
                              : picture                  ? std::min<std::int64_t>(steps, 10)
                                                         : steps;
  const bool keeps = output.one_file || options.output.trajectory;
  require_sampling_memory(config, runtime, count, keeps ? count * (1 + frames) : 0);
}

ExitCode run_sample(const SampleOptions& options) {
  if (options.list_samplers) {
    std::cout << list_of_samplers();
    return ExitCode::kSuccess;
  }
  const SampleOutput output = choose_output(options.output);  // before a model is read
  const std::vector<ConfigOverride> overrides = overrides_of(options);
  const auto check_memory = [&](const Config& config, const Runtime& runtime) {
    if (!options.force) check_memory_for(options, output, config, runtime);
  };
  LoadedModel model = load_model(choose_model(options), overrides, check_memory);
  if (options.class_name)
    model.config.sampling.class_label =
        class_number(*options.class_name, model.config.data.class_names);
  check_eta(overrides, model.config.sampling);
  check_image_size_is_known(model.config.data);
  return sample_images(model, request_of(options, output, model.config));
}

}  // namespace

void add_sample(CLI::App& program, Action& action) {
  auto options = std::make_shared<SampleOptions>();
  CLI::App* command = program.add_subcommand("sample", "Generate images with a trained model");
  add_model_options(*command, options->model, "--model", " [the newest run in runs/]");
  command->add_option("-c,--config", options->config, "Use the run named in this config")
      ->type_name("FILE")
      ->group("Model");
  command
      ->add_option("--steps", options->steps,
                   "Number of steps, from 1 to the timesteps of the model [all]")
      ->check(at_least(1))
      ->type_name("N")
      ->group("Sampling");
  command
      ->add_option("--sampler", options->sampler,
                   "ddpm; or ddim, dpm++2m or another for few steps, see --list-samplers [the "
                   "model's]")
      ->type_name("NAME")
      ->group("Sampling");
  command
      ->add_flag("--list-samplers", options->list_samplers,
                 "Describe the samplers in a line each, and do nothing else")
      ->group("Sampling");
  command
      ->add_option("--sigmas", options->sigmas,
                   "Noise levels of the steps: schedule, karras (most near the clean image) or "
                   "exponential [schedule]")
      ->type_name("NAME")
      ->group("Sampling");
  command
      ->add_option("--spacing", options->spacing,
                   "Timesteps that fewer steps visit: linspace, leading or trailing [the model's]")
      ->type_name("NAME")
      ->group("Sampling");
  command
      ->add_option("--eta", options->eta,
                   "How much noise ddim adds, from 0 (none) to 1 (as much as ddpm) [0]")
      ->check(between(0, 1))
      ->type_name("X")
      ->group("Sampling");
  command
      ->add_option("--class", options->class_name,
                   "Class of all images, by name or number, for a class-conditional model; `ddpm "
                   "inspect MODEL` lists them [random for each image]")
      ->type_name("NAME|N")
      ->group("Sampling");
  command->add_option("--count", options->count, "Number of images [64]")
      ->check(between(1, 1e9))
      ->type_name("N")
      ->group("Sampling");
  command
      ->add_option("--batch-size", options->batch_size,
                   "Images per batch; changes speed and memory, not the images [64]")
      ->check(between(1, 1e6))
      ->type_name("N")
      ->group("Sampling");
  command
      ->add_option("--noise", options->noise,
                   "Start from tensor 'noise' [N,C,H,W] float32 of this file instead of "
                   "random noise; makes N images")
      ->type_name("FILE.safetensors")
      ->group("Sampling");
  command
      ->add_option("--output", options->output.path,
                   "What to write: a folder for single PNG files, or a file that ends in .png (one "
                   "picture of all images), .npz or .safetensors [samples, samples.png, ...]")
      ->type_name("PATH")
      ->group("Output");
  command
      ->add_option("--format", options->output.format,
                   "Format to write if --output is not given: png, safetensors or npz [png]")
      ->type_name("NAME")
      ->group("Output");
  command
      ->add_flag("--grid", options->output.grid,
                 "Write one picture of all images, as --output NAME.png does")
      ->group("Output");
  command
      ->add_flag("--trajectory", options->output.trajectory,
                 "Write the intermediate images too: a PNG with one row per image, or tensor "
                 "'trajectory' [S,N,C,H,W]")
      ->group("Output");
  add_overwrite_option(*command, options->overwrite)->group("Output");
  add_image_size_option(*command, options->common);
  add_common_options(*command, options->common);
  add_force_option(*command, options->force);
  command->footer(examples(
      {"ddpm sample --steps 1000",
       "ddpm sample --model runs/cifar10 --steps 250 --count 64 --output grid.png",
       "ddpm sample --model runs/cifar10 --sampler ddim --steps 50",
       "ddpm sample --model runs/cifar10 --sampler dpm++2m --sigmas karras --steps 20",
       "ddpm sample --model runs/cifar10 --count 50000 --output samples.npz --device cuda"}));
  command->callback([&action, options] {
    action = [options] {
      set_up_logging(options->common.log);
      handle_stop_requests();
      return run_sample(*options);
    };
  });
}

}  // namespace ddpm::cli
