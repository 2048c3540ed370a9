#include <cstdio>
#include <map>

#include "ddpm/architecture/cost.h"
#include "ddpm/base/file.h"
#include "ddpm/base/signals.h"
#include "ddpm/base/text.h"
#include "ddpm/config/data_source.h"
#include "ddpm/config/difference.h"
#include "ddpm/config/precision.h"
#include "ddpm/config/validate.h"
#include "ddpm/data/fit.h"
#include "ddpm/data/scan.h"
#include "ddpm/formats/json.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/image/codec.h"
#include "ddpm/io/model_file.h"
#include "ddpm/io/weights.h"
#include "ddpm/runs/training_state.h"
#include "inspect.h"
#include "inspect_receptive_field.h"
#include "model_options.h"

namespace ddpm::cli {
namespace {

struct InspectOptions {
  CommonOptions common;
  std::string path;
  std::optional<std::string> config, weights;
  std::vector<std::string> diff;
  ReceptiveFieldOptions receptive_field;
  std::int64_t batch_size = 0;
  bool data = false;
  bool tensors = false;
  bool json = false;
};

void print(const Json& result, bool json) {
  std::fputs(json ? (dump_json(result, 2) + "\n").c_str() : description_text(result).c_str(),
             stdout);
}

Json describe_data(const Config& config) {
  handle_stop_requests();
  const DataSummary summary = summarize_data(config.data, {.stop = stop_requested});
  Json result = {
      {"source", summary.source}, {"images", summary.count}, {"bad_files", summary.bad.size()}};
  for (const auto& [size, count] : summary.sizes)
    result["sizes"].push_back({{"width", size.second}, {"height", size.first}, {"images", count}});
  for (const auto& [channels, count] : summary.channels)
    result["channels"].push_back({{"channels", channels}, {"images", count}});
  for (std::size_t i = 0; i < summary.classes.size(); ++i) {
    const auto& [name, count] = summary.classes[i];
    result["classes"].push_back({{"number", i}, {"name", name}, {"images", count}});
  }
  for (const std::string& name : summary.empty_classes)
    result["classes_without_image"].push_back(name);
  for (const auto& [reason, count] : summary.passed_over)
    result["passed_over"].push_back({{"reason", reason}, {"files", count}});
  for (const BadFile& bad : summary.bad)
    result["bad"].push_back({{"path", bad.name}, {"reason", bad.reason}});
  return result;
}

// Of images of this shape, if it is known.
void add_cost(Json& result, const Config& config, const std::optional<StoreShape>& image,
              std::int64_t batch_size) {
  if (!image) {
    result["note"] = "set data.height, data.width and data.channels to see what the network costs";
    return;
  }
  const Cost cost = estimate_cost(config.model, image->channels, image->height, image->width);
  const std::int64_t batch =
      batch_size > 0 ? batch_size : config.training.batch_size / config.training.micro_batches;
  // On a GPU of today and on the CPU.
  const auto in_bf16 = [&](std::optional<int> gpu_capability) {
    return choose_precision(config.run.precision, gpu_capability).precision == Precision::kBf16;
  };
  result["image"] = {
      {"channels", image->channels}, {"height", image->height}, {"width", image->width}};
  result["parameters"] = cost.parameters;
  result["parameter_tensors"] = cost.tensors;
  result["gflop_per_evaluation"] = 2e-9 * cost.forward_macs;
  result["gflop_per_training_image"] = 6e-9 * cost.forward_macs;
  result["batch_size"] = batch;
  result["training_state_bytes"] = training_state_bytes(cost);
  result["training_on_gpu_bytes"] = training_memory_on_gpu_bytes(cost, batch, in_bf16(90));
  result["training_on_cpu_bytes"] = training_memory_on_cpu_bytes(cost, batch);
  result["sampling_on_cpu_bytes"] = sampling_memory_bytes(cost, batch, in_bf16({}));
  result["checkpoint_bytes"] = 16.0 * static_cast<double>(cost.parameters);
}

// Parameters by type, and how many values are not finite.
void count_values(Json& result, const TensorSet& set) {
  std::int64_t parameters = 0, non_finite = 0;
  std::map<std::string, std::int64_t> types;
  for (const TensorView& view : set.tensors) {
    const torch::Tensor values = to_tensor(view);
    parameters += values.numel();
    types[std::string(dtype_name(view.dtype))] += values.numel();
    if (values.is_floating_point())
      non_finite += values.numel() - values.isfinite().sum().item<std::int64_t>();
  }
  result["values"] = parameters;
  for (const auto& [name, count] : types)
    result["types"].push_back({{"type", name}, {"values", count}});
  result["non_finite"] = non_finite;
}

// The state of the run that the weights belong to; nothing if they are not in a checkpoint.
std::optional<TrainingState> state_of_run(const ModelFile& model) {
  const fs::path checkpoint = model.weights.parent_path();
  if (model.kind == WeightKind::kUnknown || !path_exists(checkpoint / "state.json")) return {};
  return read_training_state(checkpoint);
}

void add_progress(Json& result, const TrainingState& state) {
  const std::int64_t steps = state.config.training.steps;
  result["step"] = state.step;
  result["steps"] = steps;
  result["progress_percent"] = 100.0 * static_cast<double>(state.step) / static_cast<double>(steps);
  result["images_seen"] = state.images_seen;
  if (state.loss) result["loss"] = *state.loss;
}

Json describe_model(const InspectOptions& options) {
  const ModelFile model = open_model(options.path, asked_weights(options.weights));
  Json result = {{"weights", model.weights.string()},
                 {"format", name_of(model.format)},
                 {"weights_kind", name_of(model.kind)},
                 {"sha256", model.sha256()},
                 {"tensors", model.tensors.tensors.size()}};
  const std::optional<TrainingState> state = state_of_run(model);
  if (state) add_progress(result, *state);
  count_values(result, model.tensors);
  for (std::size_t i = 0; i < model.config.data.class_names.size(); ++i)
    result["classes"].push_back({{"number", i}, {"name", model.config.data.class_names[i]}});
  // A file of weights alone says nothing of a source: only a size that it states counts.
  const DataConfig& data = model.config.data;
  const bool states_size = data.height > 0 && data.width > 0 && data.channels > 0;
  add_cost(result, state ? state->config : model.config,
           states_size ? known_shape(data) : std::nullopt, options.batch_size);
  if (options.tensors)
    for (const TensorView& tensor : model.tensors.tensors)
      result["tensor_list"].push_back(
          {{"name", tensor.name}, {"type", dtype_name(tensor.dtype)}, {"shape", tensor.shape}});
  if (options.json) {
    result["config"] = Json::parse(to_json(model.config));
  } else {  // what differs from the defaults is enough for people
    result["settings"] = Json::array();
    for (const Difference& d : all_differences({}, model.config))
      result["settings"].push_back(format_text("{} = {}", d.path, shorten(d.after)));
  }
  return result;
}

// What a PNG file tells of how it was drawn.
bool is_png_file(const std::string& path) {
  return lower_case(fs::path(path).extension().string()) == ".png" && fs::is_regular_file(path);
}
Json describe_picture(const std::string& path) {
  const ImageInfo info = read_image_info(map_file<DataError>(path).bytes(), path);
  Json result = {{"width", info.width}, {"height", info.height}, {"channels", info.channels}};
  for (const auto& [keyword, text] : read_png_text(path)) result["texts"][keyword] = text;
  return result;
}

// Whether the file is JSON that has sections of a config. Others may be parts of a model.
bool is_config_file(const std::string& path) {
  if (!path.ends_with(".json") || !fs::is_regular_file(path)) return false;
  const Json document = Json::parse(read_file(path, 1 << 20), nullptr, /*allow_exceptions=*/false,
                                    /*ignore_comments=*/true);
  return document.is_object() && (document.contains("model") || document.contains("diffusion")) &&
         !document.contains("weight_map");
}

// Not as a change of the config, whose texts are UTF-8: a path may be anything.
void take_path(DataConfig& data, const std::string& path,
               const std::vector<ConfigOverride>& overrides) {
  data.path = path;
  if (find_override(overrides, "data.source") == nullptr)
    data.source = source_for_path(data.source, path);
}

ExitCode run_inspect(const InspectOptions& options) {
  set_up_logging(options.common.log);
  if (!options.diff.empty()) {
    print(describe_difference(options.diff[0], options.diff[1], asked_weights(options.weights)),
          options.json);
    return ExitCode::kSuccess;
  }
  if (wants_receptive_field(options.receptive_field)) {
    inspect_receptive_field(options.receptive_field, options.common.overrides(), options.json);
    return ExitCode::kSuccess;
  }
  if (!options.data && is_png_file(options.path)) {
    print(describe_picture(options.path), options.json);
    return ExitCode::kSuccess;
  }
  // PATH may be a config too, which then is a network without weights.
  const bool is_config = !options.data && !options.config && is_config_file(options.path);
  if (!options.path.empty() && !options.data && !is_config) {
    print(describe_model(options), options.json);
    return ExitCode::kSuccess;
  }
  const std::vector<ConfigOverride> overrides = options.common.overrides();
  Config config = load_config(is_config ? options.path : options.config, overrides).config;
  if (options.data && !options.path.empty()) take_path(config.data, options.path, overrides);
  if (options.data) check_data_path(config.data);
  Json result = Json::object();
  if (options.data)
    result = describe_data(config);
  else
    add_cost(result, config, known_shape(config.data), options.batch_size);
  print(result, options.json);
  // Scripts can test a data set by the exit code.
  return options.data && result["bad_files"] != 0 ? ExitCode::kData : ExitCode::kSuccess;
}

}  // namespace

void add_inspect(CLI::App& program, Action& action) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* command = program.add_subcommand(
      "inspect", "Describe a model, the network of a config, a picture, or a data set");
  command
      ->add_option(
          "path", options->path,
          model_help() + "; or a config, or a PNG file; with --data, a folder or file with images")
      ->type_name("PATH");
  command->add_option("--diff", options->diff, "Compare two models: settings, tensors, values")
      ->option_text("A B")
      ->expected(2);
  command
      ->add_option("-c,--config", options->config,
                   "Describe the network of this config, or with --data its images")
      ->type_name("FILE");
  command->add_flag("--data", options->data,
                    "Describe the images: sizes, classes, and every file that cannot be read (exit "
                    "code 3 if there are any)");
  command
      ->add_option("--batch-size", options->batch_size,
                   "Images per batch, for the memory estimate [the config's]")
      ->check(between(1, 1e6))
      ->type_name("N");
  command
      ->add_option("--weights", options->weights,
                   "Which weights of the model to use: ema (averaged) or raw [ema]")
      ->check(one_of(kChoiceNames<WeightSet>))
      ->type_name("NAME");
  add_receptive_field_options(*command, options->receptive_field);
  command->add_flag("--tensors", options->tensors, "List every tensor");
  command->add_flag("--json", options->json, "Print JSON");
  add_set_option(*command, options->common);
  add_log_options(*command, options->common);
  command->footer(examples(
      {"ddpm inspect runs/cifar10", "ddpm inspect configs/sd-v1.json",
       "ddpm inspect --diff runs/a runs/b --json", "ddpm inspect --data photos",
       "ddpm inspect --config configs/labml.json --json",
       "ddpm inspect --receptive-field configs/hifi-gan/config_v1.json --picture field.svg"}));
  command->callback([&action, options] { action = [options] { return run_inspect(*options); }; });
}

}  // namespace ddpm::cli
