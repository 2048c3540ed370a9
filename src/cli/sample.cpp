#include <cstdio>

#include "ddpm/base/file.h"
#include "ddpm/base/progress.h"
#include "ddpm/base/signals.h"
#include "ddpm/config/validate.h"
#include "ddpm/diffusion/generate.h"
#include "ddpm/diffusion/generator.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/image/grid.h"
#include "ddpm/io/weights.h"
#include "ddpm/runs/run_directory.h"
#include "ddpm/sampling/write_images.h"
#include "model_options.h"

namespace ddpm::cli {
namespace {

struct SampleOptions {
  CommonOptions common;
  ModelOptions model;
  std::string config, output, format = "png", noise;
  std::optional<std::string> sampler;
  std::optional<std::int64_t> steps, count, batch_size;
  std::optional<std::int64_t> label;
  std::optional<double> eta;
  bool grid = false;
  bool trajectory = false;
};

std::vector<Override> overrides_of(const SampleOptions& options) {
  std::vector<Override> list = options.common.overrides();
  append_override(list, options.sampler, "sampling.sampler", "--sampler");
  append_override(list, options.eta, "sampling.eta", "--eta");
  append_override(list, options.label, "sampling.class_label", "--class");
  append_override(list, options.steps, "sampling.steps", "--steps");
  append_override(list, options.count, "sampling.count", "--count");
  append_override(list, options.batch_size, "sampling.batch_size", "--batch-size");
  return list;
}

// --model, else the run that --config names, else the newest below runs/.
ModelOptions choose_model(const SampleOptions& options) {
  ModelOptions model = options.model;
  if (!model.path.empty()) return model;
  model.path = options.config.empty() ? newest_run(RunConfig{}.directory)
                                      : run_directory(load_config(options.config, {}).config);
  log_info("model: {}", model.path);
  return model;
}

fs::path default_output(ImageFormat format, bool grid) {
  if (format == ImageFormat::kSafetensors) return "samples.safetensors";
  if (format == ImageFormat::kNpz) return "samples.npz";
  return grid ? "samples.png" : "samples";
}

torch::Tensor read_noise(const fs::path& path, const ImageShape& shape) {
  const SafetensorsFile file(path);
  torch::Tensor noise = to_tensor(file.get("noise"));
  if (noise.scalar_type() != torch::kFloat32 || noise.dim() != 4 || noise.size(0) < 1 ||
      noise.size(1) != shape.channels || noise.size(2) != shape.height ||
      noise.size(3) != shape.width)
    throw DataError(format_text("{}: 'noise' must be float32 [N,{},{},{}]", path.string(),
                                shape.channels, shape.height, shape.width));
  return noise;
}

// Everything one call of `ddpm sample` works with.
class SampleJob {
 public:
  explicit SampleJob(const SampleOptions& options)
      : options_(options),
        format_(choose<ImageFormat>("--format", options.format)),
        model_(load_model(choose_model(options), overrides_of(options))),
        range_(model_.config.data.range),
        shape_{model_.config.data.channels, model_.config.data.height, model_.config.data.width},
        count_(model_.config.sampling.count),
        output_(options.output.empty() ? default_output(format_, options.grid)
                                       : fs::path(options.output)) {
    if (options.noise.empty()) return;
    noise_ = read_tensor_data([&] { return read_noise(options.noise, shape_); });
    count_ = noise_.size(0);
  }

  ExitCode run();

 private:
  void prepare_generator(std::int64_t first, std::int64_t count);
  void sample_batch(std::int64_t first, std::int64_t count);
  bool writes_single_images() const {
    return format_ == ImageFormat::kPng && !options_.grid && !options_.trajectory;
  }
  void write_single_images(const torch::Tensor& images, std::int64_t first) const;
  fs::path image_path(std::int64_t index) const {
    return output_ / format_text("{:06}.png", index);
  }
  void check_output() const;
  void write_result() const;
  torch::Tensor timesteps() const;  // that were visited, int64 [S]
  // What the images shall show; undefined for an unconditional network.
  torch::Tensor labels_of(std::int64_t first, std::int64_t count) const;
  PngText description(std::int64_t first) const;

  const SampleOptions& options_;
  ImageFormat format_;
  LoadedModel model_;
  PixelRange range_;
  ImageShape shape_;
  std::int64_t count_;
  fs::path output_;
  std::int64_t done_ = 0;  // images finished
  torch::Tensor noise_;
  SamplerPlan plan_;
  torch::Tensor labels_;  // of the batch in progress
  std::unique_ptr<Generator> generator_;
  std::unique_ptr<Progress> progress_;
  std::vector<torch::Tensor> finished_;             // batches, where one file holds all of them
  std::vector<std::vector<torch::Tensor>> frames_;  // of each batch: x at the recorded steps
};

torch::Tensor SampleJob::labels_of(std::int64_t first, std::int64_t count) const {
  return class_labels(model_.config, static_cast<std::uint64_t>(model_.config.run.seed),
                      static_cast<std::uint64_t>(first), count, model_.runtime.device);
}

PngText SampleJob::description(std::int64_t index) const {
  const SamplingConfig& sampling = model_.config.sampling;
  PngText text = {{"Software", "ddpm"},
                  {"seed", std::to_string(model_.config.run.seed)},
                  {"index", std::to_string(index)},
                  {"sampler", std::string(name_of(sampling.sampler))},
                  {"steps", std::to_string(plan_.steps.size())},
                  {"weights", std::string(name_of(sampling.weights))},
                  {"model_sha256", model_.sha256}};
  if (sampling.sampler == SamplerKind::kDdim)
    text.emplace_back("eta", format_text("{}", sampling.eta));
  // Images of one file can show different classes.
  const bool one_class = writes_single_images() || sampling.class_label >= 0;
  if (const torch::Tensor labels = labels_of(index, 1); one_class && labels.defined())
    text.emplace_back("class", std::to_string(labels.item<std::int64_t>()));
  return text;
}

void SampleJob::write_single_images(const torch::Tensor& images, std::int64_t first) const {
  const std::vector<Image> list = tensor_to_images(images, range_);
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto index = first + static_cast<std::int64_t>(i);
    const fs::path path = image_path(index);
    write_png(path, list[i], description(index));
    std::puts(path.c_str());
  }
}

// One serves all batches of its size.
void SampleJob::prepare_generator(std::int64_t first, std::int64_t count) {
  const torch::Tensor labels = labels_of(first, count);
  if (generator_ && generator_->count() == count) {
    if (labels.defined()) labels_.copy_(labels);
    return;
  }
  generator_.reset();  // first, since it holds memory
  labels_ = labels;
  generator_ = std::make_unique<Generator>(
      plan_, model_.predictor(labels_),
      GeneratorOptions{.seed = static_cast<std::uint64_t>(model_.config.run.seed),
                       .count = count,
                       .shape = shape_,
                       .device = model_.runtime.device});
}

void SampleJob::sample_batch(std::int64_t first, std::int64_t count) {
  const std::size_t steps = plan_.steps.size();
  // PNG trajectories show ten moments; tensor files hold every step.
  const std::size_t stride =
      format_ == ImageFormat::kPng ? std::max<std::size_t>(steps / 10, 1) : 1;
  std::vector<torch::Tensor> frames;
  const auto after_step = [&](std::size_t step, double time, const torch::Tensor& x) {
    if (options_.trajectory && ((steps - step) % stride == 0))
      frames.push_back(x.to(torch::kCPU, /*non_blocking=*/false, /*copy=*/true));
    const double share = static_cast<double>(step) / static_cast<double>(steps);
    progress_->update(static_cast<double>(first) + share * static_cast<double>(count),
                      format_text("t = {}", time));
    return !stop_requested();
  };
  torch::Tensor images;
  explain_out_of_memory(model_.runtime.device, count, [&] {
    prepare_generator(first, count);
    images =
        generator_->make(static_cast<std::uint64_t>(first),
                         noise_.defined() ? noise_.narrow(0, first, count) : noise_, after_step);
  });
  if (!images.defined()) return;
  done_ += count;
  if (writes_single_images())
    write_single_images(images.cpu(), first);
  else
    finished_.push_back(images.cpu());
  frames_.push_back(std::move(frames));
}

// Before hours of work, not after them.
void SampleJob::check_output() const {
  const fs::path file = writes_single_images() ? image_path(0) : output_;
  if (file.has_parent_path()) make_directories(file.parent_path());
  const FileWriter probe(file);
}

torch::Tensor SampleJob::timesteps() const {
  std::vector<std::int64_t> times;
  for (const ops::SamplerStep& step : plan_.steps)
    times.push_back(static_cast<std::int64_t>(step.time));
  return torch::tensor(times, torch::kInt64);
}

void SampleJob::write_result() const {
  if (writes_single_images() || finished_.empty()) return;
  const torch::Tensor images = torch::cat(finished_);
  if (format_ == ImageFormat::kPng && options_.trajectory) {
    // One row an image, time from left to right.
    std::vector<torch::Tensor> batches;
    for (const auto& frames : frames_) batches.push_back(torch::stack(frames, 1).flatten(0, 1));
    const GridOptions grid{.columns = static_cast<int>(frames_.front().size())};
    write_png(output_, make_grid(tensor_to_images(torch::cat(batches), range_), grid),
              description(0));
  } else if (format_ == ImageFormat::kPng) {
    write_png(output_, make_grid(tensor_to_images(images, range_)), description(0));
  } else if (options_.trajectory) {
    std::vector<torch::Tensor> batches;
    for (const auto& frames : frames_) batches.push_back(torch::stack(frames, 0));
    save_tensors(
        output_,
        {{"images", images}, {"trajectory", torch::cat(batches, 1)}, {"timesteps", timesteps()}});
  } else {
    write_tensor_file(output_, images, range_, format_);
  }
  std::puts(output_.c_str());
}

ExitCode SampleJob::run() {
  const SamplingConfig& sampling = model_.config.sampling;
  if (options_.trajectory && format_ == ImageFormat::kNpz)
    throw ConfigError("--trajectory: works with --format png and safetensors");
  check_predicts_image(model_.config);
  plan_ = sampler_plan_for(model_.config, sampling);
  static_cast<void>(labels_of(0, 1));  // says what is wrong before the work begins
  check_output();
  log_info("sampling {} of {}x{} pixels and {} in {} on {}", counted(count_, "image"), shape_.width,
           shape_.height, counted(shape_.channels, "channel"),
           counted(static_cast<std::int64_t>(plan_.steps.size()), "step"),
           model_.runtime.description);
  const ProgressStyle style = options_.common.log.quiet
                                  ? ProgressStyle::kOff
                                  : choose<ProgressStyle>("--progress", options_.common.progress);
  progress_ = std::make_unique<Progress>(style, "sampling", "images", count_);
  for (std::int64_t first = 0; first < count_ && !stop_requested(); first += sampling.batch_size)
    sample_batch(first, std::min(sampling.batch_size, count_ - first));
  progress_.reset();
  write_result();
  if (stop_requested()) log_warning("stopped: {} of {} written", done_, counted(count_, "image"));
  return stop_exit_code();
}

}  // namespace

void add_sample(CLI::App& program, Action& action) {
  auto options = std::make_shared<SampleOptions>();
  CLI::App* command = program.add_subcommand("sample", "Generate images with a trained model");
  add_model_options(*command, options->model, "--model", " [the newest run in runs/]");
  command->add_option("--config", options->config, "Use the run named in this config")
      ->type_name("FILE")
      ->group("Model");
  command
      ->add_option("--steps", options->steps,
                   "Number of steps, from 1 to the timesteps of the model [all]")
      ->type_name("N")
      ->group("Sampling");
  command->add_option("--sampler", options->sampler, "ddpm, or ddim for few steps [the model's]")
      ->type_name("NAME")
      ->group("Sampling");
  command
      ->add_option("--eta", options->eta,
                   "How much noise ddim adds, from 0 (none) to 1 (as much as ddpm) [0]")
      ->type_name("X")
      ->group("Sampling");
  command
      ->add_option("--class", options->label,
                   "Class of all images, for a class-conditional model [random for each image]")
      ->type_name("N")
      ->group("Sampling");
  command->add_option("--count", options->count, "Number of images [64]")
      ->type_name("N")
      ->group("Sampling");
  command
      ->add_option("--batch-size", options->batch_size,
                   "Images per batch; changes speed and memory, not the images [64]")
      ->type_name("N")
      ->group("Sampling");
  command
      ->add_option("--noise", options->noise,
                   "Start from tensor 'noise' [N,C,H,W] float32 of this file instead of "
                   "random noise; makes N images")
      ->type_name("FILE.safetensors")
      ->group("Sampling");
  command
      ->add_option("--output", options->output,
                   "Output file, or folder for separate PNG files [samples, samples.png, ...]")
      ->type_name("PATH")
      ->group("Output");
  command
      ->add_option("--format", options->format,
                   format_text("png, safetensors or npz [{}]", options->format))
      ->type_name("NAME")
      ->group("Output");
  command->add_flag("--grid", options->grid, "Write all images into one PNG")->group("Output");
  command
      ->add_flag("--trajectory", options->trajectory,
                 "Write the intermediate images too: a PNG with one row per image, or tensor "
                 "'trajectory' [S,N,C,H,W]")
      ->group("Output");
  add_common_options(*command, options->common);
  command->footer(
      examples({"ddpm sample --steps 1000",
                "ddpm sample --model runs/cifar10 --steps 250 --count 64 --grid --output grid.png",
                "ddpm sample --model runs/cifar10 --sampler ddim --steps 50",
                "ddpm sample --model runs/cifar10 --count 50000 --format npz --output samples.npz "
                "--device cuda"}));
  command->callback([&action, options] {
    action = [options] {
      set_up_logging(options->common.log);
      handle_stop_requests();
      return SampleJob(*options).run();
    };
  });
}

}  // namespace ddpm::cli
