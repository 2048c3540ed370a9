// What the commands that draw images share: their model, output and classes.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ddpm/sampling/job.h"
#include "model_options.h"
#include "sample_output.h"
#include "sampling_options.h"
#include "text_options.h"

namespace ddpm::cli {

// Whose random numbers images begin with: this program's, or PyTorch's on a CPU.
enum class NoiseSource { kDdpm, kTorch };
constexpr auto choice_names(NoiseSource) { return name_list("ddpm", "torch"); }

struct DrawingOptions {
  CommonOptions common;
  ModelOptions model;
  OutputOptions output;
  SamplingOptions sampling;
  TextOptions text;
  std::string config;
  std::string rng = "ddpm";  // a NoiseSource
  bool overwrite = false;
  bool force = false;
};

// The option for the model, which may be left out before the path if `alone`, and --config.
void add_model_choice(CLI::App& command, DrawingOptions& options, bool alone);
// --output and what else decides the files. `name` is the path without --output.
void add_output_options(CLI::App& command, DrawingOptions& options, const std::string& name);
// --rng, whose random numbers images begin with.
void add_noise_option(CLI::App& command, DrawingOptions& options);
// Options of the computation.
void add_common_drawing_options(CLI::App& command, DrawingOptions& options);

// A loaded model, and what the options say about drawing from it.
struct Drawing {
  SampleOutput output;
  std::vector<ConfigOverride> overrides;
  LoadedModel model;
  std::vector<std::int64_t> classes;  // those that --class names
  std::optional<LoadedModel> guide;
  std::vector<EncodedPrompt> prompts;
  std::optional<LoadedAutoencoder> autoencoder;  // whose latents the model's images are

  // The images as the user knows them, which are pictures where the model's are latents.
  DataConfig pictures() const;
};

// Opens the model. `count` tells how many images will be drawn, for the check of memory; `more` are
// changes to the config that come before those of the options. Throws ConfigError for options that
// contradict each other or that the model cannot follow, and what load_model throws.
Drawing open_drawing(const DrawingOptions& options,
                     const std::function<std::int64_t(const Config&)>& count,
                     const std::vector<ConfigOverride>& more = {});

// The request to draw it, with what DrawingOptions say; refers to the drawing.
SampleRequest request_of(const DrawingOptions& options, Drawing& drawing);

// Draws the noise of the request's images if --rng asks for other than this program's, once everything
// else about the request is settled. Throws ConfigError for a plan with noise in its steps, which is
// always this program's.
void draw_noise(const DrawingOptions& options, const Config& config, SampleRequest& request);

}  // namespace ddpm::cli
