// The options of commands that draw images: how, how many, of which classes, and with what guidance.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "ddpm/sampling/load_model.h"

namespace ddpm::cli {

struct SamplingOptions {
  std::optional<std::string> sampler, sigmas, spacing;
  std::optional<std::string> steps;      // N, or OpenAI's sections (diffusion/time_grid.h)
  std::optional<std::string> timesteps;  // T,T,...
  std::optional<std::int64_t> count, batch_size;
  std::optional<double> eta, churn, sigma_min, sigma_max;
  std::optional<std::string> class_names;  // --class
  std::optional<double> guidance, guidance_rescale;
  std::optional<std::string> guidance_interval;  // LO,HI
  std::optional<std::string> negative_class;
  std::string guide_model;
};

// The sampler and its noise levels: --sampler, --sigmas, --spacing.
void add_sampler_choice(CLI::App& command, SamplingOptions& options);
// How images are drawn: --steps, --sampler, --sigmas and their limits, --spacing, --timesteps, --eta,
// --churn.
void add_sampler_options(CLI::App& command, SamplingOptions& options);
// --class, and what has to do with guidance.
void add_class_options(CLI::App& command, SamplingOptions& options);
void add_guidance_options(CLI::App& command, SamplingOptions& options);
// --count and --batch-size; `counted` is what N counts, with its default in brackets.
void add_count_options(CLI::App& command, SamplingOptions& options, const std::string& counted);

// Appends these options as changes to the config. Classes and sections of timesteps, which need the
// model, follow when it is loaded. Throws ConfigError for an unknown sampler or an interval that is none.
void append_overrides(std::vector<ConfigOverride>& overrides, const SamplingOptions& options);

// Throws ConfigError for an option, or a --set, that the sampler or the lack of guidance would ignore.
void check_ignored(const std::vector<ConfigOverride>& overrides, const SamplingOptions& options,
                   const SamplingConfig& sampling);

// Sets sampling.timesteps, if --steps names sections of the process's timesteps. Throws ConfigError if
// it has no such timesteps, or another option chooses them too.
void settle_timesteps(const std::vector<ConfigOverride>& overrides, const SamplingOptions& options,
                      Config& config);

// Sets sampling.negative_class, and returns the classes that --class names, empty without it. See
// class_names.h for what can be written.
std::vector<std::int64_t> settle_classes(const SamplingOptions& options, Config& config);

// Rounds the number of images down to a multiple of the number of classes, if the user gave none, so
// that each class has as many.
void deal_evenly(const std::vector<ConfigOverride>& overrides, std::size_t classes, Config& config);

// The weaker model of --guide-model, on the device of the command; nothing without the option.
std::optional<LoadedModel> load_guide(const SamplingOptions& options,
                                      const std::vector<ConfigOverride>& overrides);

}  // namespace ddpm::cli
