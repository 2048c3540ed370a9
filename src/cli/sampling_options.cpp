#include "sampling_options.h"

#include <algorithm>
#include <cmath>

#include "class_names.h"
#include "ddpm/base/text.h"
#include "ddpm/config/samplers.h"
#include "ddpm/config/validate.h"
#include "ddpm/diffusion/time_grid.h"

namespace ddpm::cli {
namespace {

constexpr const char* kGroup = "Classes and guidance";

// A level of --guidance-interval; infinity is allowed, as 0, for the upper one.
double parse_level(const std::string& text, const std::string& whole) {
  std::size_t used = 0;
  double value = -1;
  try {
    value = std::stod(text, &used);
  } catch (const std::exception&) {
    used = text.size() + 1;
  }
  if (used != text.size() || !(value >= 0))
    throw ConfigError(format_text(
        "--guidance-interval: '{}' is not two noise levels from 0 on, such as 0.3,5 (or 0.3,inf)",
        shorten(whole)));
  return value;
}

void append_interval(std::vector<ConfigOverride>& overrides, const std::string& text) {
  const std::size_t comma = std::min(text.find(','), text.size());
  const double low = parse_level(text.substr(0, comma), text);
  const double high =
      comma < text.size() ? parse_level(text.substr(comma + 1), text) : parse_level("", text);
  if (!(low < high) || std::isinf(low))
    throw ConfigError(
        format_text("--guidance-interval: '{}': the second level must be above the "
                    "first",
                    shorten(text)));
  constexpr const char* kOption = "--guidance-interval";
  overrides.push_back({"sampling.guidance_low", format_text("{}", low), kOption});
  overrides.push_back(
      {"sampling.guidance_high", format_text("{}", std::isinf(high) ? 0 : high), kOption});
}

// An option that the sampler ignores would look as if it had been used.
void check_sampler_options(const std::vector<ConfigOverride>& overrides,
                           const SamplingConfig& sampling) {
  const ConfigOverride* eta = find_override(overrides, "sampling.eta");
  if (eta != nullptr && sampling.sampler != SamplerKind::kDdim)
    throw ConfigError(
        format_text("{}: the sampler {} has no eta; add --sampler ddim, or leave eta out",
                    eta->origin, sampling.sampler));
  for (const char* key : {"sampling.sigma_min", "sampling.sigma_max"})
    if (const ConfigOverride* limit = find_override(overrides, key);
        limit != nullptr && sampling.sigmas == SigmaSpacing::kSchedule)
      throw ConfigError(
          format_text("{}: it limits the noise levels of --sigmas karras or exponential; add one "
                      "of them, or leave the limit out",
                      limit->origin));
  const ConfigOverride* spacing = find_override(overrides, "sampling.spacing");
  if (spacing != nullptr && spacing->origin != "--prompt" &&
      !facts_of(sampling.sampler).takes_spacing)
    throw ConfigError(
        format_text("{}: the sampler {} visits the timesteps that its models were made for; leave "
                    "the spacing out, or say --timesteps",
                    spacing->origin, sampling.sampler));
}

// Refuses other options beside those that name the timesteps.
void check_alone(const std::vector<ConfigOverride>& overrides, const std::string& option,
                 std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (const ConfigOverride* found = find_override(overrides, key);
        found != nullptr && found->origin != "--prompt")
      throw ConfigError(format_text("{} and {}: both choose the timesteps; leave one of them out",
                                    option, found->origin));
}

// A number of steps from 1 on, or OpenAI's sections.
std::string check_steps_text(const std::string& text) {
  if (names_sections(text)) return "";
  return at_least(1)(text).empty() ? ""
                                   : "must be a number from 1 on, or OpenAI's ddim50 or 10,15,20";
}

}  // namespace

void add_sampler_choice(CLI::App& command, SamplingOptions& options) {
  command
      .add_option("--sampler", options.sampler,
                  "ddpm; or ddim, dpm++2m or another for few steps, see --list-samplers; also by "
                  "the names of diffusers and webui (\"DPM++ 2M Karras\") [the model's]")
      ->type_name("NAME")
      ->group("Sampling");
  command
      .add_option("--sigmas", options.sigmas,
                  "Noise levels of the steps: schedule, karras (most near the clean image) or "
                  "exponential [schedule]")
      ->type_name("NAME")
      ->group("Sampling");
  command
      .add_option(
          "--spacing", options.spacing,
          "Timesteps that fewer steps visit: linspace, leading, trailing, quadratic or logsnr "
          "[the model's]")
      ->type_name("NAME")
      ->group("Sampling");
}

void add_sampler_options(CLI::App& command, SamplingOptions& options) {
  command
      .add_option(
          "--steps", options.steps,
          "Number of steps, from 1 to the timesteps of the model; also as OpenAI's programs "
          "have it: ddim50, or 10,15,20 for so many in each third of the timesteps [all]")
      ->check(check_steps_text)
      ->type_name("N")
      ->group("Sampling");
  add_sampler_choice(command, options);
  command
      .add_option("--timesteps", options.timesteps,
                  "Visit these timesteps instead, descending, such as 999,800,500,200,0")
      ->type_name("T,T,...")
      ->group("Sampling");
  command
      .add_option("--eta", options.eta,
                  "How much noise ddim adds, from 0 (none) to 1 (as much as ddpm) [0]")
      ->check(between(0, 1))
      ->type_name("X")
      ->group("Sampling");
  command
      .add_option(
          "--sigma-min", options.sigma_min,
          "With --sigmas: the lowest noise level before the clean image, such as 0.05 [the process's]")
      ->check(between(0, 1e9))
      ->type_name("X")
      ->group("Sampling");
  command
      .add_option("--sigma-max", options.sigma_max,
                  "With --sigmas: the noise level of the first step, such as 20 [the process's]")
      ->check(between(0, 1e9))
      ->type_name("X")
      ->group("Sampling");
  command
      .add_option(
          "--churn", options.churn,
          "How much noise euler and heun add, S_churn of Karras et al.; 10 to 80 with hundreds "
          "of steps corrects earlier errors [0: none]")
      ->check(between(0, 1e6))
      ->type_name("X")
      ->group("Sampling");
}

void add_class_options(CLI::App& command, SamplingOptions& options) {
  command
      .add_option(
          "--class", options.class_names,
          "Class of the images, by name or number; a list with commas, or all: the images "
          "are dealt out to these classes in turn, and a grid has a row for each; none: the "
          "null class. `ddpm inspect MODEL` lists the classes [random for each image]")
      ->type_name("NAME|N|all|LIST")
      ->group(kGroup);
}

void add_guidance_options(CLI::App& command, SamplingOptions& options) {
  command
      .add_option(
          "--guidance", options.guidance,
          "Lead images towards their class, 1.5 to 4 for example: clearer, and less varied. Each "
          "step costs two evaluations. Needs a model with a null class, or one of the two "
          "options below [1: none]")
      ->check(between(0, 1000))
      ->type_name("S")
      ->group(kGroup);
  command
      .add_option("--negative-class", options.negative_class,
                  "With --guidance: lead away from this class, by name or number [the null class]")
      ->type_name("NAME|N")
      ->group(kGroup);
  command
      .add_option(
          "--guide-model", options.guide_model,
          "With --guidance: lead away from what this weaker model of the same process draws, "
          "a smaller or less trained one")
      ->type_name("PATH")
      ->group(kGroup);
  command
      .add_option(
          "--guidance-interval", options.guidance_interval,
          "With --guidance: only in steps whose noise level (noise / signal) is above LO and at "
          "most HI; the others cost one evaluation [0,inf]")
      ->type_name("LO,HI")
      ->group(kGroup);
  command
      .add_option(
          "--guidance-rescale", options.guidance_rescale,
          "With --guidance: share of the result that is scaled to the contrast of the unguided "
          "prediction, 0 to 1 [0]")
      ->check(between(0, 1))
      ->type_name("PHI")
      ->group(kGroup);
}

void add_count_options(CLI::App& command, SamplingOptions& options, const std::string& counted) {
  command.add_option("--count", options.count, counted)
      ->check(between(1, 1e9))
      ->type_name("N")
      ->group("Sampling");
  command
      .add_option("--batch-size", options.batch_size,
                  "Images per batch; changes speed and memory, not the images [64]")
      ->check(between(1, 1e6))
      ->type_name("N")
      ->group("Sampling");
}

void append_overrides(std::vector<ConfigOverride>& overrides, const SamplingOptions& options) {
  if (options.sampler) {
    const NamedSampler sampler = find_sampler(*options.sampler);
    overrides.push_back({"sampling.sampler", std::string(name_of(sampler.kind)), "--sampler"});
    if (sampler.sigmas)
      overrides.push_back({"sampling.sigmas", std::string(name_of(*sampler.sigmas)), "--sampler"});
  }
  append_override(overrides, options.sigmas, "sampling.sigmas", "--sigmas");
  append_override(overrides, options.sigma_min, "sampling.sigma_min", "--sigma-min");
  append_override(overrides, options.sigma_max, "sampling.sigma_max", "--sigma-max");
  append_override(overrides, options.spacing, "sampling.spacing", "--spacing");
  append_override(overrides, options.eta, "sampling.eta", "--eta");
  append_override(overrides, options.timesteps, "sampling.timesteps", "--timesteps");
  append_override(overrides, options.churn, "sampling.churn", "--churn");
  if (options.steps && !names_sections(*options.steps))
    overrides.push_back({"sampling.steps", *options.steps, "--steps"});
  append_override(overrides, options.count, "sampling.count", "--count");
  append_override(overrides, options.batch_size, "sampling.batch_size", "--batch-size");
  append_override(overrides, options.guidance, "sampling.guidance", "--guidance");
  append_override(overrides, options.guidance_rescale, "sampling.guidance_rescale",
                  "--guidance-rescale");
  if (options.guidance_interval) append_interval(overrides, *options.guidance_interval);
}

void check_ignored(const std::vector<ConfigOverride>& overrides, const SamplingOptions& options,
                   const SamplingConfig& sampling) {
  check_sampler_options(overrides, sampling);
  if (options.timesteps) {
    if (options.steps) throw ConfigError("--timesteps and --steps: give one of them");
    check_alone(overrides, "--timesteps", {"sampling.spacing"});
  }
  if (sampling.guidance != 1) {
    if (!options.guide_model.empty() && options.negative_class)
      throw ConfigError(
          "--guide-model and --negative-class: guidance leads away from one of the two");
    return;
  }
  const auto refuse = [](const std::string& option) {
    throw ConfigError(option +
                      ": without guidance it has no effect; add --guidance 2, for example");
  };
  if (options.negative_class) refuse("--negative-class");
  if (!options.guide_model.empty()) refuse("--guide-model");
  for (const char* key : {"sampling.guidance_low", "sampling.guidance_rescale"})
    if (const ConfigOverride* found = find_override(overrides, key)) refuse(found->origin);
}

void settle_timesteps(const std::vector<ConfigOverride>& overrides, const SamplingOptions& options,
                      Config& config) {
  if (!options.steps || !names_sections(*options.steps)) return;
  check_alone(overrides, "--steps " + *options.steps,
              {"sampling.spacing", "sampling.sigmas", "sampling.timesteps"});
  config.sampling.timesteps = respaced_grid(config.diffusion.timesteps, *options.steps);
  validate(config);
}

std::vector<std::int64_t> settle_classes(const SamplingOptions& options, Config& config) {
  if (options.negative_class)
    config.sampling.negative_class =
        class_number("--negative-class", *options.negative_class, config);
  if (!options.class_names) return {};
  return class_numbers("--class", *options.class_names, config);
}

void deal_evenly(const std::vector<ConfigOverride>& overrides, std::size_t classes,
                 Config& config) {
  if (classes < 2 || find_override(overrides, "sampling.count") != nullptr) return;
  const auto each =
      std::max<std::int64_t>(config.sampling.count / static_cast<std::int64_t>(classes), 1);
  config.sampling.count = each * static_cast<std::int64_t>(classes);
  log_info("count: {}, {} of each class (--count N for another number)",
           counted(config.sampling.count, "image"), each);
}

std::optional<LoadedModel> load_guide(const SamplingOptions& options,
                                      const std::vector<ConfigOverride>& overrides) {
  if (options.guide_model.empty()) return std::nullopt;
  // What the command line says of the network is about the other model.
  std::vector<ConfigOverride> of_run;
  std::ranges::copy_if(overrides, std::back_inserter(of_run), [](const ConfigOverride& change) {
    return change.path.starts_with("run.");
  });
  return ddpm::load_model(options.guide_model, of_run);
}

}  // namespace ddpm::cli
