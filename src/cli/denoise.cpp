#include <cstdio>

#include "command.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/io/weights.h"
#include "ddpm/sampling/load_model.h"

namespace ddpm::cli {
namespace {

struct DenoiseOptions {
  CommonOptions common;
  ModelOptions model;
  std::string input, output;
};

torch::Tensor read_sample(const SafetensorsFile& file, const Config& config) {
  const std::int64_t channels = config.data.channels;
  torch::Tensor sample = to_tensor(file.get("sample"));
  if (sample.scalar_type() != torch::kFloat32 || sample.dim() != 4 || sample.size(1) != channels)
    throw DataError(
        format_text("{}: 'sample' must be float32 [N,{},H,W]", file.path().string(), channels));
  const std::int64_t factor = std::int64_t{1} << (config.model.width_multipliers.size() - 1);
  if (sample.numel() == 0 || sample.size(2) % factor != 0 || sample.size(3) % factor != 0)
    throw DataError(format_text(
        "{}: 'sample' has images of {}x{} pixels; this network takes positive multiples of {}",
        file.path().string(), sample.size(2), sample.size(3), factor));
  return sample;
}

torch::Tensor read_timesteps(const SafetensorsFile& file, std::int64_t count) {
  torch::Tensor t = to_tensor(file.get("timestep"));
  const bool known_type = t.scalar_type() == torch::kInt64 || t.scalar_type() == torch::kFloat32;
  if (!known_type || t.dim() != 1 || t.size(0) != count)
    throw DataError(
        format_text("{}: 'timestep' must be int64 or float32 [{}]", file.path().string(), count));
  return t;
}

struct DenoiseInput {
  torch::Tensor sample, t;
};

DenoiseInput read_input(const std::string& path, const Config& config) {
  const SafetensorsFile file(path);
  const torch::Tensor sample = read_sample(file, config);
  return {sample, read_timesteps(file, sample.size(0))};
}

ExitCode run_denoise(const DenoiseOptions& options) {
  set_up_logging(options.common.log);
  std::vector<Override> overrides = options.common.overrides();
  append_override(overrides, options.model.weights, "sampling.weights", "--weights");
  const LoadedModel model =
      load_model(options.model.path, overrides,
                 options.model.allow_missing ? Missing::kKeep : Missing::kRefuse);
  const DenoiseInput input =
      read_tensor_data([&] { return read_input(options.input, model.config); });
  const torch::Tensor &sample = input.sample, &t = input.t;
  torch::Tensor prediction;
  explain_out_of_memory(model.runtime.device, sample.size(0), [&] {
    prediction = model.predictor()(sample.to(model.runtime.device), t.to(model.runtime.device));
  });
  save_tensors(options.output, {{"prediction", prediction}});
  std::puts(options.output.c_str());
  return ExitCode::kSuccess;
}

}  // namespace

void add_denoise(CLI::App& program, Action& action) {
  auto options = std::make_shared<DenoiseOptions>();
  CLI::App* command =
      program.add_subcommand("denoise", "Evaluate the network once: tensors in, tensors out");
  add_model_options(*command, options->model);
  command
      ->add_option("--input", options->input,
                   "Tensors 'sample' [N,C,H,W] float32 and 'timestep' [N] int64 or float32")
      ->type_name("FILE.safetensors")
      ->required();
  command
      ->add_option("--output", options->output,
                   "Gets tensor 'prediction' [N,C,H,W] float32; [N,2C,H,W] of a network "
                   "that predicts its variance")
      ->type_name("FILE.safetensors")
      ->required();
  add_common_options(*command, options->common);
  command->footer(
      examples({"ddpm denoise --model runs/cifar10 --input noisy.safetensors --output "
                "prediction.safetensors"}));
  command->callback([&action, options] { action = [options] { return run_denoise(*options); }; });
}

}  // namespace ddpm::cli
