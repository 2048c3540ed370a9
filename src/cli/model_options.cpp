#include "model_options.h"

namespace ddpm::cli {

std::optional<WeightSet> asked_weights(const std::optional<std::string>& name) {
  if (!name) return std::nullopt;
  return choose<WeightSet>("sampling.weights", *name);
}

CLI::Option* add_model_options(CLI::App& command, ModelOptions& options, const std::string& name,
                               const std::string& note) {
  const bool may_stand_alone = name == "--model";  // "ddpm sample runs/a"
  CLI::Option* model =
      command
          .add_option(may_stand_alone ? "model," + name : name, options.path, model_help() + note)
          ->type_name("PATH")
          ->group("Model");
  add_weights_options(command, options);
  return model;
}

void add_weights_options(CLI::App& command, ModelOptions& options) {
  command
      .add_option("--weights", options.weights,
                  "Which weights of the model to use: ema (averaged) or raw [ema]")
      ->check(one_of(kChoiceNames<WeightSet>))
      ->type_name("NAME")
      ->group("Model");
  command
      .add_flag("--allow-missing", options.allow_missing,
                "Initialise tensors that are missing from the file, instead of refusing it")
      ->group("Model");
}

LoadedModel load_model(const ModelOptions& options, std::vector<ConfigOverride> overrides,
                       const BeforeWeights& before_weights) {
  append_override(overrides, options.weights, "sampling.weights", "--weights");
  return load_model(options.path, overrides, options.fit(), before_weights);
}

}  // namespace ddpm::cli
