#include "ddpm/base/output.h"
#include "ddpm/base/text.h"
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
  const std::int64_t channels = unet_plan(config.model, config.data.channels).in;
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
    check_rows(labels, class_rows(model), "class_labels", file);
  return labels;
}

// A float32 tensor whose sizes are those of `shape`, where -1 stands for any; undefined if it is not
// in the file.
torch::Tensor read_floats(const SafetensorsFile& file, const char* name,
                          const std::vector<std::int64_t>& shape) {
  const TensorView* view = file.find(name);
  if (view == nullptr) return {};
  torch::Tensor tensor = to_tensor(*view);
  bool fits = tensor.dim() == std::ssize(shape) && tensor.numel() > 0;
  for (std::int64_t i = 0; fits && i < tensor.dim(); ++i)
    fits = shape[static_cast<std::size_t>(i)] < 0 ||
           shape[static_cast<std::size_t>(i)] == tensor.size(i);
  std::vector<std::string> sizes;
  for (const std::int64_t size : shape) sizes.push_back(size < 0 ? "any" : std::to_string(size));
  if (!fits || tensor.scalar_type() != torch::kFloat32)
    throw DataError(format_text("{}: '{}' must be float32 [{}] for this network",
                                file.path().string(), name, join(sizes, ",")));
  return tensor;
}

// Undefined for a network without transformers.
torch::Tensor read_context(const SafetensorsFile& file, std::int64_t count,
                           const ModelConfig& model) {
  const std::string path = file.path().string();
  if (model.context_width == 0) {
    if (file.find("encoder_hidden_states") != nullptr)
      throw DataError(path + ": 'encoder_hidden_states' given, but the network has no context");
    return {};
  }
  torch::Tensor context =
      read_floats(file, "encoder_hidden_states", {count, -1, model.context_width});
  if (!context.defined())
    throw DataError(
        format_text("{}: no 'encoder_hidden_states', but the network needs a context of "
                    "{} channels",
                    path, model.context_width));
  return context;
}

// The vector of the network: the tensor 'vector', or made of 'text_embeds' and the sizes in 'time_ids';
// undefined for a network without it. Where it stands in place of a class it is 'class_labels'.
torch::Tensor read_vector(const SafetensorsFile& file, std::int64_t count,
                          const ModelConfig& model) {
  if (model.vector_width == 0) return {};
  const std::string path = file.path().string();
  const char* name = model.vector_time_width == 0 ? "class_labels" : "vector";
  if (torch::Tensor vector = read_floats(file, name, {count, model.vector_width}); vector.defined())
    return vector;
  if (model.vector_time_width == 0)
    throw DataError(format_text("{}: no 'class_labels' [{},{}]", path, count, model.vector_width));
  const torch::Tensor text = read_floats(file, "text_embeds", {count, -1}),
                      sizes = read_floats(file, "time_ids", {count, -1});
  if (!text.defined() || !sizes.defined())
    throw DataError(format_text(
        "{}: no 'text_embeds' and 'time_ids', and no 'vector' [{},{}] that is made of them", path,
        count, model.vector_width));
  const std::int64_t all = text.size(1) + sizes.size(1) * model.vector_time_width;
  if (all != model.vector_width)
    throw DataError(format_text(
        "{}: {} numbers of 'text_embeds' and {} of 'time_ids', {} for each, are {}, but the network "
        "needs {}",
        path, text.size(1), sizes.size(1), model.vector_time_width, all, model.vector_width));
  return vector_with_sizes(model, text, sizes);
}

struct DenoiseInput {
  torch::Tensor sample, t;
  Condition condition;
};

DenoiseInput read_input(const std::string& path, const Config& config) {
  const SafetensorsFile file(path);
  const torch::Tensor sample = read_sample(file, config);
  const std::int64_t count = sample.size(0);
  const ModelConfig& model = config.model;
  const bool vector_as_class = model.vector_width > 0 && model.vector_time_width == 0;
  return {sample,
          read_timesteps(file, count, model),
          {.labels = vector_as_class ? torch::Tensor() : read_labels(file, count, model),
           .context = read_context(file, count, model),
           .vector = read_vector(file, count, model)}};
}

Condition moved(const Condition& condition, torch::Device device) {
  Condition result = condition;
  for (torch::Tensor* tensor : {&result.labels, &result.context, &result.vector})
    if (tensor->defined()) *tensor = tensor->to(device);
  return result;
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
    prediction = model.predictor()(input.sample.to(device), input.t.to(device),
                                   moved(input.condition, device));
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
          "File with tensors 'sample' [N,C,H,W] float32, 'timestep' [N] int64 or float32, for "
          "class-conditional networks 'class_labels' [N] int64, and for those of Stable Diffusion "
          "'encoder_hidden_states' [N,tokens,width] and for XL 'text_embeds' [N,1280] and 'time_ids' "
          "[N,6], all float32")
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
