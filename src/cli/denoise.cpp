#include "ddpm/base/output.h"
#include "ddpm/config/unet_plan.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/io/weights.h"
#include "model_options.h"

namespace ddpm::cli {
namespace {

struct DenoiseOptions {
  CommonOptions common;
  ModelOptions model;
  std::string input, output;
  bool overwrite = false;
};

torch::Tensor read_sample(const SafetensorsFile& file, const Config& config) {
  const std::int64_t channels = config.data.channels;
  torch::Tensor sample = to_tensor(file.get("sample"));
  if (sample.scalar_type() != torch::kFloat32 || sample.dim() != 4 || sample.size(1) != channels)
    throw DataError(
        format_text("{}: 'sample' must be float32 [N,{},H,W]", file.path().string(), channels));
  const std::int64_t factor = size_factor(config.model);
  if (sample.numel() == 0 || sample.size(2) % factor != 0 || sample.size(3) % factor != 0)
    throw DataError(format_text(
        "{}: 'sample' has images of {}x{} pixels; this network needs positive multiples of {}",
        file.path().string(), sample.size(3), sample.size(2), factor));
  return sample;
}

// Throws DataError unless all are in [0, count) whole numbers.
void check_rows(const torch::Tensor& values, std::int64_t count, const std::string& name,
                const SafetensorsFile& file) {
  if (values.scalar_type() != torch::kInt64)
    throw DataError(
        format_text("{}: '{}' must be int64 for this network, which looks it up in a table",
                    file.path().string(), name));
  if ((values < 0).any().item<bool>() || (values >= count).any().item<bool>())
    throw DataError(format_text("{}: '{}' has values outside 0 to {}, the range of this network",
                                file.path().string(), name, count - 1));
}

torch::Tensor read_timesteps(const SafetensorsFile& file, std::int64_t count,
                             const ModelConfig& model) {
  torch::Tensor t = to_tensor(file.get("timestep"));
  const bool known_type = t.scalar_type() == torch::kInt64 || t.scalar_type() == torch::kFloat32;
  if (!known_type || t.dim() != 1 || t.size(0) != count)
    throw DataError(
        format_text("{}: 'timestep' must be int64 or float32 [{}]", file.path().string(), count));
  if (model.time_embedding == TimeEmbeddingKind::kLearned)
    check_rows(t, model.time_table, "timestep", file);
  return t;
}

// Undefined for an unconditional network.
torch::Tensor read_labels(const SafetensorsFile& file, std::int64_t count,
                          const ModelConfig& model) {
  const std::string path = file.path().string();
  const bool given = file.find("class_labels") != nullptr;
  if (model.class_embedding == ClassEmbeddingKind::kNone) {
    if (given) throw DataError(path + ": 'class_labels' given, but the network is unconditional");
    return {};
  }
  if (!given) throw DataError(path + ": no 'class_labels', but the network is class-conditional");
  torch::Tensor labels = to_tensor(file.get("class_labels"));
  const std::int64_t width = time_width(model);
  const bool vectors = model.class_embedding == ClassEmbeddingKind::kIdentity;
  const bool fits = vectors ? labels.sizes() == torch::IntArrayRef({count, width})
                            : labels.sizes() == torch::IntArrayRef({count});
  const bool known_type = labels.scalar_type() == torch::kFloat32 ||
                          (!vectors && labels.scalar_type() == torch::kInt64);
  if (!fits || !known_type)
    throw DataError(
        vectors ? format_text("{}: 'class_labels' must be float32 [{},{}]", path, count, width)
                : format_text("{}: 'class_labels' must be int64 [{}]", path, count));
  if (model.class_embedding == ClassEmbeddingKind::kTable)
    check_rows(labels, model.classes, "class_labels", file);
  return labels;
}

struct DenoiseInput {
  torch::Tensor sample, t, labels;
};

DenoiseInput read_input(const std::string& path, const Config& config) {
  const SafetensorsFile file(path);
  const torch::Tensor sample = read_sample(file, config);
  return {sample, read_timesteps(file, sample.size(0), config.model),
          read_labels(file, sample.size(0), config.model)};
}

// The result is compared with other programs', so `auto` is fp32 here on every device.
std::vector<ConfigOverride> overrides_of(const DenoiseOptions& options) {
  std::vector<ConfigOverride> list = options.common.overrides();
  if (apply_overrides({}, list).run.precision == Precision::kAuto)
    list.push_back({"run.precision", std::string(name_of(Precision::kFp32)), "ddpm denoise"});
  return list;
}

ExitCode run_denoise(const DenoiseOptions& options) {
  set_up_logging(options.common.log);
  check_output_file(options.output, options.overwrite);
  const LoadedModel model = load_model(options.model, overrides_of(options));
  const DenoiseInput input = read_as_data([&] { return read_input(options.input, model.config); });
  const torch::Device device = model.runtime.device;
  torch::Tensor prediction;
  explain_out_of_memory(device, input.sample.size(0), [&] {
    const torch::Tensor labels = input.labels.defined() ? input.labels.to(device) : input.labels;
    prediction = model.predictor()(input.sample.to(device), input.t.to(device), {.labels = labels});
  });
  save_tensors(options.output, {{"prediction", prediction}});
  print_path(options.output);
  return ExitCode::kSuccess;
}

}  // namespace

void add_denoise(CLI::App& program, Action& action) {
  auto options = std::make_shared<DenoiseOptions>();
  CLI::App* command =
      program.add_subcommand("denoise", "Evaluate the network once: tensors in, tensors out");
  add_model_options(*command, options->model)->required();
  command
      ->add_option(
          "--input", options->input,
          "File with tensors 'sample' [N,C,H,W] float32, 'timestep' [N] int64 or float32, and for "
          "class-conditional networks 'class_labels' [N] int64")
      ->type_name("FILE.safetensors")
      ->required();
  command
      ->add_option(
          "--output", options->output,
          "File to write, with tensor 'prediction' [N,C,H,W] float32, or [N,2C,H,W] if the "
          "network predicts its variance")
      ->type_name("FILE.safetensors")
      ->required();
  add_overwrite_option(*command, options->overwrite);
  add_image_size_option(*command, options->common);
  add_common_options(*command, options->common);
  command->get_option("--precision")
      ->description(
          "Number format to compute in: auto, fp32, tf32 or bf16; auto is fp32 here, so that "
          "results can be compared with those of other programs [auto]");
  command->footer(
      examples({"ddpm denoise --model runs/cifar10 --input noisy.safetensors --output "
                "prediction.safetensors"}));
  command->callback([&action, options] { action = [options] { return run_denoise(*options); }; });
}

}  // namespace ddpm::cli
