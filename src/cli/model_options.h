// The model that a command works on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "ddpm/sampling/load_model.h"

namespace ddpm::cli {

struct ModelOptions {
  std::string path;  // empty if the option was not given
  std::optional<std::string> weights;
  bool allow_missing = false;

  bool reinit_mismatched = false;

  TensorFit fit() const {
    if (reinit_mismatched) return TensorFit::kMayDiffer;
    return allow_missing ? TensorFit::kMayLack : TensorFit::kExact;
  }
};

// The value of --weights; nothing if the option was not given. Throws ConfigError for other words.
std::optional<WeightSet> asked_weights(const std::optional<std::string>& name);

// --weights and --allow-missing.
void add_weights_options(CLI::App& command, ModelOptions& options);
// The same, and before them the option that names the model, which is returned;
// `note` stands behind its help. If the name is "--model", it may be left out before the path.
CLI::Option* add_model_options(CLI::App& command, ModelOptions& options,
                               const std::string& name = "--model", const std::string& note = "");
// Loads it, with these changes to its config (sampling/load_model.h).
LoadedModel load_model(const ModelOptions& options, std::vector<ConfigOverride> overrides,
                       const BeforeWeights& before_weights = {});

}  // namespace ddpm::cli
