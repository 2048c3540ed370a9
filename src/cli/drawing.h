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

namespace ddpm::cli {

struct DrawingOptions {
  CommonOptions common;
  ModelOptions model;
  OutputOptions output;
  SamplingOptions sampling;
  std::string config;
  bool overwrite = false;
  bool force = false;
};

// The option for the model, which may be left out before the path if `alone`, and --config.
void add_model_choice(CLI::App& command, DrawingOptions& options, bool alone);
// --output and what else decides the files. `name` is the path without --output.
void add_output_options(CLI::App& command, DrawingOptions& options, const std::string& name);
// Options of the computation.
void add_common_drawing_options(CLI::App& command, DrawingOptions& options);

// A loaded model, and what the options say about drawing from it.
struct Drawing {
  SampleOutput output;
  std::vector<ConfigOverride> overrides;
  LoadedModel model;
  std::vector<std::int64_t> classes;  // those that --class names
  std::optional<LoadedModel> guide;
};

// Opens the model. `count` tells how many images will be drawn, for the check of memory; `more` are
// changes to the config that come before those of the options. Throws ConfigError for options that
// contradict each other or that the model cannot follow, and what load_model throws.
Drawing open_drawing(const DrawingOptions& options,
                     const std::function<std::int64_t(const Config&)>& count,
                     const std::vector<ConfigOverride>& more = {});

// The request to draw it, with what DrawingOptions say; refers to the drawing.
SampleRequest request_of(const DrawingOptions& options, const Drawing& drawing);

}  // namespace ddpm::cli
