#include <algorithm>
#include <charconv>
#include <variant>

#include "ddpm/base/signals.h"
#include "ddpm/base/text.h"
#include "ddpm/config/samplers.h"
#include "ddpm/config/validate.h"
#include "ddpm/data/pictures.h"
#include "ddpm/sampling/setup.h"
#include "drawing.h"

namespace ddpm::cli {
namespace {

struct InterpolateOptions {
  DrawingOptions drawing;
  std::string from, to;
};

// One end: the image of a seed, written seed:N or seed:N/INDEX, or a picture.
struct SeededImage {
  std::uint64_t seed = 0, index = 0;
};
using End = std::variant<SeededImage, fs::path>;

constexpr std::string_view kSeed = "seed:";

End parse_end(const std::string& text) {
  if (!text.starts_with(kSeed)) return fs::path(text);
  SeededImage image;
  const char *begin = text.data() + kSeed.size(), *end = text.data() + text.size();
  auto parsed = std::from_chars(begin, end, image.seed);
  if (parsed.ec == std::errc() && parsed.ptr != end && *parsed.ptr == '/')
    parsed = std::from_chars(parsed.ptr + 1, end, image.index);
  constexpr std::uint64_t kMostImages = 1'000'000'000, kMostSeeds = std::uint64_t{1} << 63;
  if (parsed.ec != std::errc() || parsed.ptr != end || image.index > kMostImages ||
      image.seed >= kMostSeeds)
    throw ConfigError(format_text(
        "'{}' is not the image of a seed: write seed:5 for its first image, or seed:5/17 for number "
        "17, counted from 0",
        shorten(text)));
  return image;
}

// The images of both ends belong to one class. Drawing one at random would be a surprise.
std::int64_t class_of(const Drawing& drawing) {
  const ModelConfig& model = drawing.model.config.model;
  if (drawing.classes.size() > 1)
    throw ConfigError("--class: interpolation is within one class; name one");
  if (drawing.classes.size() == 1) return drawing.classes.front();
  if (drawing.model.config.sampling.class_label >= 0 ||
      model.class_embedding == ClassEmbeddingKind::kNone)
    return drawing.model.config.sampling.class_label;
  if (model.null_class) return model.classes;
  throw ConfigError("this network is class-conditional: choose the class with --class");
}

// The noise that DDIM turns into the image of this end, [1,C,H,W].
torch::Tensor noise_of(const End& end, const LoadedModel& model, std::int64_t label) {
  const Config& config = model.config;
  const DataConfig& data = config.data;
  GeneratorOptions options{.shape = {data.channels, data.height, data.width},
                           .device = model.runtime.device};
  if (const auto* image = std::get_if<SeededImage>(&end)) {
    options.seed = image->seed;
    return starting_noise(options, image->index).cpu();
  }
  const std::vector<fs::path> path = {std::get<fs::path>(end)};
  const torch::Tensor picture = read_pictures(path, data);
  std::vector<std::int64_t> classes;
  if (label >= 0) classes.push_back(label);
  Condition condition;
  condition.labels = class_labels(config, 0, 0, 1, options.device, classes);
  log_info("{}: finding its noise in {}", shown(path.front()),
           counted(step_count(config.sampling, config.diffusion.timesteps), "step"));
  Generator generator(inversion_plan_for(config, config.sampling), model.predictor(), options);
  const torch::Tensor noise = generator.make(0, condition, picture.to(options.device),
                                             [](const StepReport&) { return !stop_requested(); });
  return noise.defined() ? noise.cpu() : noise;
}

torch::Tensor noise_between(const torch::Tensor& a, const torch::Tensor& b, std::int64_t count) {
  std::vector<torch::Tensor> noise;
  for (std::int64_t i = 0; i < count; ++i)
    noise.push_back(slerp(a, b, static_cast<double>(i) / static_cast<double>(count - 1)));
  return torch::cat(noise);
}

ExitCode run_interpolate(const InterpolateOptions& options) {
  const End from = parse_end(options.from), to = parse_end(options.to);
  const std::vector<ConfigOverride> defaults = {{"sampling.count", "9", "ddpm interpolate"},
                                                {"sampling.steps", "0", "ddpm interpolate"},
                                                {"sampling.sampler", "ddim", "ddpm interpolate"},
                                                {"sampling.sigmas", "schedule", "ddpm interpolate"},
                                                {"sampling.churn", "0", "ddpm interpolate"},
                                                {"sampling.eta", "0", "ddpm interpolate"},
                                                {"sampling.guidance", "1", "ddpm interpolate"}};
  Drawing drawing = open_drawing(
      options.drawing, [](const Config& config) { return config.sampling.count; }, defaults);
  Config& config = drawing.model.config;
  check_predicts_image(config);
  if (config.model.context_width > 0)
    throw ConfigError("interpolation needs a model without prompts; this one follows a text");
  if (config.sampling.steps == 0 && config.sampling.timesteps.empty())
    config.sampling.steps = std::min<std::int64_t>(100, config.diffusion.timesteps);
  if (config.sampling.guidance != 1)
    throw ConfigError("sampling.guidance: interpolation has no guidance; set it to 1");
  if (config.sampling.count < 2)
    throw ConfigError("--count: both ends are drawn, so there are at least 2 images");
  const std::int64_t label = class_of(drawing);
  torch::Tensor ends[2];
  for (int i : {0, 1}) {
    ends[i] = noise_of(i == 0 ? from : to, drawing.model, label);
    if (!ends[i].defined()) return stop_exit_code();
  }
  SampleRequest request = request_of(options.drawing, drawing);
  if (label >= 0) request.classes = {label};
  request.noise = noise_between(ends[0], ends[1], config.sampling.count);
  request.plan = reconstruction_plan_for(config, config.sampling);
  request.columns = static_cast<int>(config.sampling.count);
  request.told = {{"from", options.from}, {"to", options.to}};
  return sample_images(drawing.model, request);
}

}  // namespace

void add_interpolate(CLI::App& program, Action& action) {
  auto options = std::make_shared<InterpolateOptions>();
  CLI::App* command = program.add_subcommand(
      "interpolate", "Draw images between two pictures, or between two seeds");
  for (const auto& [name, value] :
       {std::pair{"from", &options->from}, std::pair{"to", &options->to}})
    command
        ->add_option(name, *value,
                     "A picture, fitted to the model's size; or seed:N for image 0 of a seed, "
                     "seed:N/I for its image I")
        ->type_name("IMG|seed:N")
        ->required();
  DrawingOptions& drawing = options->drawing;
  add_model_choice(*command, drawing, /*alone=*/false);
  command
      ->add_option(
          "--steps", drawing.sampling.steps,
          "Steps of DDIM, to the noise of a picture and back; more find it more exactly [100]")
      ->check(at_least(1))
      ->type_name("N")
      ->group("Sampling");
  add_count_options(*command, drawing.sampling, "Number of images, both ends among them [9]");
  add_class_options(*command, drawing.sampling);
  add_output_options(*command, drawing, "interpolated");
  add_common_drawing_options(*command, drawing);
  command->footer(examples(
      {"ddpm interpolate a.png b.png --model runs/cifar10 --output between.png",
       "ddpm interpolate seed:1 seed:2/7 --model runs/cifar10 --count 30 --output frames"}));
  command->callback([&action, options] {
    action = [options] {
      set_up_logging(options->drawing.common.log);
      handle_stop_requests();
      return run_interpolate(*options);
    };
  });
}

}  // namespace ddpm::cli
