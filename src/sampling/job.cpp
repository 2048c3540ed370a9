#include "ddpm/sampling/job.h"

#include <algorithm>

#include "ddpm/architecture/memory_need.h"
#include "ddpm/base/file.h"
#include "ddpm/base/log.h"
#include "ddpm/base/output.h"
#include "ddpm/base/signals.h"
#include "ddpm/base/text.h"
#include "ddpm/config/loader.h"
#include "ddpm/config/unet_plan.h"
#include "ddpm/config/validate.h"
#include "ddpm/diffusion/generator.h"
#include "ddpm/image/animation.h"
#include "ddpm/image/grid.h"
#include "ddpm/io/weights.h"
#include "ddpm/sampling/setup.h"
#include "gather_batches.h"
#include "image_texts.h"
#include "sheets.h"

namespace ddpm {
namespace {

// For each batch the images at the recorded steps.
using Frames = std::vector<std::vector<torch::Tensor>>;

torch::Tensor on_host(const torch::Tensor& images) {
  return images.to(torch::kCPU, /*non_blocking=*/false, /*copy=*/true);
}

class SampleJob {
 public:
  SampleJob(const LoadedModel& model, const SampleRequest& request)
      : model_(model),
        request_(request),
        range_(model.config.data.range),
        shape_{model.config.data.channels, model.config.data.height, model.config.data.width},
        count_(request.noise.defined() ? request.noise.size(0) : model.config.sampling.count),
        plan_(request.plan ? *request.plan : sampler_plan_for(model.config, model.config.sampling)),
        guidance_(guidance_for(model.config,
                               request.guide != nullptr ? request.guide->predictor() : Predictor(),
                               model.runtime.device)),
        world_(request.group != nullptr ? request.group->world() : World{}) {}

  ExitCode run();

 private:
  GeneratorOptions options_for(std::int64_t count) const;
  void prepare_generator(std::int64_t count);
  std::int64_t batch_size() const { return model_.config.sampling.batch_size; }
  std::int64_t images_of_batch(std::int64_t batch) const {
    return std::min(batch_size(), count_ - batch * batch_size());
  }
  void begin_together();
  void gather();
  void sample_batch(std::int64_t first, std::int64_t count);
  // x of the first step, from what was given; undefined: noise is drawn.
  torch::Tensor start_of(std::int64_t first, std::int64_t count) const;
  bool animates() const { return request_.format == ImageFormat::kApng; }
  // Every how many steps the images are recorded.
  std::size_t stride() const;
  bool writes_single_images() const {
    return request_.format == ImageFormat::kPng && !request_.grid && !request_.trajectory;
  }
  void write_single_images(const torch::Tensor& images, std::int64_t first) const;
  fs::path image_path(std::int64_t index) const {
    return request_.output / format_text("{:06}.png", index);
  }
  void check_output() const;
  void refuse_to_replace_images() const;
  void write_result() const;
  void write_animation() const;
  void write_grid(const torch::Tensor& images) const;
  torch::Tensor timesteps() const;  // told to the network, rounded down, int64 [evaluations]
  // "50 steps"; an edit can make fewer or more of them.
  std::string work() const {
    const auto rows = static_cast<std::int64_t>(plan_.steps.size());
    const std::string steps = counted(steps_of(model_.config), "step");
    if (!request_.plan || rows == steps_of(model_.config)) return steps;
    return format_text("{} of {}", counted(rows, "evaluation"), steps);
  }
  // The classes of the images; undefined for an unconditional network.
  torch::Tensor labels_of(std::int64_t first, std::int64_t count) const;
  PngText texts(std::int64_t index) const {
    return image_texts(model_, request_, index, writes_single_images());
  }

  const LoadedModel& model_;
  const SampleRequest& request_;
  PixelRange range_;
  ImageShape shape_;
  std::int64_t count_;
  SamplerPlan plan_;
  std::optional<Guidance> guidance_;
  World world_;
  std::unique_ptr<Communicator> communicator_;  // if rank 0 gets images of other ranks
  std::int64_t done_ = 0;                       // images finished
  std::unique_ptr<Generator> generator_;
  std::unique_ptr<Progress> progress_;
  std::vector<torch::Tensor> finished_;  // the batches, if one file holds all of them
  Frames frames_, predicted_;            // x and, for an animation, the predicted images
};

torch::Tensor SampleJob::labels_of(std::int64_t first, std::int64_t count) const {
  return class_labels(model_.config, static_cast<std::uint64_t>(model_.config.run.seed),
                      static_cast<std::uint64_t>(first), count, model_.runtime.device,
                      request_.classes);
}

void SampleJob::write_single_images(const torch::Tensor& images, std::int64_t first) const {
  const std::vector<Image> list = tensor_to_images(images, range_);
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto index = first + static_cast<std::int64_t>(i);
    const fs::path path = image_path(index);
    write_png(path, list[i], texts(index));
    print_path(path);
  }
}

GeneratorOptions SampleJob::options_for(std::int64_t count) const {
  const torch::Device device = model_.runtime.device;
  GeneratorOptions options{.seed = static_cast<std::uint64_t>(model_.config.run.seed),
                           .count = count,
                           .shape = shape_,
                           .device = device,
                           .guidance = guidance_,
                           .variation = request_.variation,
                           .report_x0 = animates()};
  if (request_.keep.defined())
    options.known = KnownPixels{request_.pictures.to(device), request_.keep.to(device)};
  return options;
}

// One generator is used for all batches of its size.
void SampleJob::prepare_generator(std::int64_t count) {
  if (generator_ && generator_->count() == count) return;
  generator_.reset();  // frees its memory before the new one is made
  generator_ = std::make_unique<Generator>(plan_, model_.predictor(), options_for(count));
}

torch::Tensor SampleJob::start_of(std::int64_t first, std::int64_t count) const {
  const torch::Tensor& pictures = request_.pictures;
  if (request_.noise.defined()) return request_.noise.narrow(0, first, count);
  if (!pictures.defined() || plan_.start_image == 0) return {};
  const torch::Tensor rows = torch::arange(first, first + count) % pictures.size(0);
  const torch::Tensor noise = starting_noise(options_for(count), static_cast<std::uint64_t>(first));
  return plan_.start_image * pictures.index_select(0, rows).to(noise.device()) +
         plan_.start_noise * noise;
}

// A PNG trajectory shows ten steps, and an animation fifty; a tensor file holds every step.
std::size_t SampleJob::stride() const {
  if (request_.format == ImageFormat::kSafetensors) return 1;
  return std::max<std::size_t>(plan_.steps.size() / (animates() ? 50 : 10), 1);
}

void SampleJob::sample_batch(std::int64_t first, std::int64_t count) {
  const std::size_t steps = plan_.steps.size();
  std::vector<torch::Tensor> frames, predicted;
  const auto after_step = [&](const StepReport& report) {
    if (request_.trajectory && ((steps - report.step) % stride() == 0)) {
      frames.push_back(on_host(report.x));
      if (animates()) predicted.push_back(on_host(report.x0));
    }
    const double share = static_cast<double>(report.step) / static_cast<double>(steps);
    // The other ranks are about as far.
    const double now = share * static_cast<double>(count * world_.size);
    progress_->update(std::min(static_cast<double>(first) + now, static_cast<double>(count_)),
                      format_text("t = {}", report.time));
    if (request_.group != nullptr)
      request_.group->report(first * static_cast<std::int64_t>(steps) +
                             static_cast<std::int64_t>(report.step));
    return !stop_requested();
  };
  torch::Tensor images;
  explain_out_of_memory(model_.runtime.device, count, [&] {
    prepare_generator(count);
    images =
        generator_->make(static_cast<std::uint64_t>(first), {.labels = labels_of(first, count)},
                         start_of(first, count), after_step);
  });
  if (!images.defined()) return;
  done_ += count;
  if (writes_single_images())
    write_single_images(images.cpu(), first);
  else
    finished_.push_back(images.cpu());
  frames_.push_back(std::move(frames));
  predicted_.push_back(std::move(predicted));
}

// The same for single images as check_output_file does for one file.
void SampleJob::refuse_to_replace_images() const {
  if (!path_exists(request_.output)) return;
  for (std::int64_t i = 0; i < count_; ++i)
    if (const fs::path path = image_path(i); path_exists(path))
      throw ConfigError(format_text(
          "--output: '{}' exists already; write to another folder, or replace such images with "
          "--overwrite",
          shown(path)));
}

// Problems with the output must show before hours of work, not after them.
void SampleJob::check_output() const {
  const bool pixels = request_.format == ImageFormat::kPng || animates();
  if (pixels && !is_channel_count(shape_.channels))
    throw ConfigError(format_text(
        "the images of this model have {}, which a PNG file cannot have; write them with --format "
        "safetensors or --format npz",
        counted(shape_.channels, "channel")));
  if (!writes_single_images()) return check_output_file(request_.output, request_.overwrite);
  if (!request_.overwrite) refuse_to_replace_images();
  check_output_file(image_path(0), /*overwrite=*/true);
}

torch::Tensor SampleJob::timesteps() const {
  std::vector<std::int64_t> times;
  for (const ops::SamplerStep& step : plan_.steps)
    times.push_back(static_cast<std::int64_t>(step.time));
  return torch::tensor(times, torch::kInt64);
}

void SampleJob::write_animation() const {
  const auto images_at = [&](const Frames& frames, std::size_t k) {
    std::vector<torch::Tensor> batches;
    for (const auto& batch : frames) batches.push_back(batch.at(k));
    return tensor_to_images(torch::cat(batches), range_);
  };
  std::vector<Image> sheets;
  for (std::size_t k = 0; k < frames_.front().size(); ++k)
    sheets.push_back(animation_sheet(images_at(frames_, k), images_at(predicted_, k)));
  write_apng(request_.output, sheets, {}, texts(0));
}

void SampleJob::write_grid(const torch::Tensor& images) const {
  const std::vector<Image> list = tensor_to_images(images, range_);
  const std::size_t classes = request_.classes.size();
  write_png(
      request_.output,
      classes > 1 ? class_sheet(list, classes) : make_grid(list, {.columns = request_.columns}),
      texts(0));
}

void SampleJob::write_result() const {
  if (writes_single_images() || finished_.empty()) return;
  const torch::Tensor images = torch::cat(finished_);
  const PngText special = special_texts(model_, request_);
  const SafetensorsMetadata metadata(special.begin(), special.end());
  if (request_.format == ImageFormat::kPng && request_.trajectory) {
    // Each image has a row, with time from left to right.
    std::vector<torch::Tensor> batches;
    for (const auto& frames : frames_) batches.push_back(torch::stack(frames, 1).flatten(0, 1));
    const GridOptions grid{.columns = static_cast<int>(frames_.front().size())};
    write_png(request_.output, make_grid(tensor_to_images(torch::cat(batches), range_), grid),
              texts(0));
  } else if (animates()) {
    write_animation();
  } else if (request_.format == ImageFormat::kPng) {
    write_grid(images);
  } else if (request_.trajectory) {
    std::vector<torch::Tensor> batches;
    for (const auto& frames : frames_) batches.push_back(torch::stack(frames, 0));
    save_tensors(
        request_.output,
        {{"images", images}, {"trajectory", torch::cat(batches, 1)}, {"timesteps", timesteps()}},
        metadata);
  } else {
    write_tensor_file(request_.output, images, range_, request_.format, metadata);
  }
  print_path(request_.output);
}

// Compares what the ranks have, and lets rank 0 look at the output before others write there.
void SampleJob::begin_together() {
  ProcessGroup& group = *request_.group;
  group.require_equal("the model", model_.sha256);
  Config settings = model_.config;
  settings.run = {};  // each has its own device
  group.require_equal("the settings", to_json(settings));
  if (world_.leads()) check_output();
  group.barrier("output");
  // The images to gather lie on the host.
  if (!writes_single_images()) communicator_ = group.communicator(torch::kCPU, /*in_order=*/true);
}

// Rank 0 gets the images of all ranks, or the number of those that they have written.
void SampleJob::gather() {
  ProcessGroup& group = *request_.group;
  if (writes_single_images()) {
    done_ = sum_over_ranks(group, "images", done_);
    return;
  }
  std::vector<DrawnBatch> own;
  for (std::size_t i = 0; i < finished_.size(); ++i) {
    own.push_back({finished_[i]});
    for (const Frames* frames : {&frames_, &predicted_})
      own[i].insert(own[i].end(), (*frames)[i].begin(), (*frames)[i].end());
  }
  const auto& [channels, height, width] = shape_;
  const std::vector<DrawnBatch> all =
      gather_batches(group, *communicator_, own, {count_, batch_size(), channels, height, width});
  finished_.clear(), frames_.clear(), predicted_.clear();
  done_ = 0;
  for (const DrawnBatch& batch : all) {
    const auto middle = batch.begin() + 1 + (std::ssize(batch) - 1) / (animates() ? 2 : 1);
    finished_.push_back(batch.front());
    frames_.emplace_back(batch.begin() + 1, middle);
    predicted_.emplace_back(middle, batch.end());
    done_ += batch.front().size(0);
  }
}

ExitCode SampleJob::run() {
  static_cast<void>(labels_of(0, 1));  // throws before the work begins if classes are wrong
  if (request_.group != nullptr)
    begin_together();
  else
    check_output();
  log_precision(model_.runtime);
  log_info("sampling {} of {}x{} pixels and {} in {} on {}", counted(count_, "image"), shape_.width,
           shape_.height, counted(shape_.channels, "channel"), work(), model_.runtime.description);
  progress_ = std::make_unique<Progress>(request_.progress, "sampling", "images", count_);
  for (std::int64_t batch = world_.rank; batch * batch_size() < count_ && !stop_requested();
       batch += world_.size)
    sample_batch(batch * batch_size(), images_of_batch(batch));
  progress_.reset();
  if (request_.group != nullptr) gather();
  if (!world_.leads()) return stop_exit_code();
  write_result();
  if (stop_requested()) log_warning("stopped: {} of {} written", done_, counted(count_, "image"));
  return stop_exit_code();
}

// OpenAI's networks that enlarge pictures take six channels: the noise, and the picture.
void refuse_upsampler(const Config& config) {
  const std::int64_t out = unet_plan(config.model, config.data.channels).out;
  if (config.data.channels != 6 || (out != 3 && out != 6)) return;
  throw ConfigError(
      "this network is an upsampler, as OpenAI's: it takes 6 channels, 3 of noise and 3 of a "
      "low-resolution picture, which ddpm sample cannot give it. ddpm denoise can: its 'sample' is "
      "both, [N,6,H,W]");
}

}  // namespace

void require_sampling_memory(const Config& config, const Runtime& runtime, std::int64_t count,
                             std::int64_t kept) {
  const DataConfig& data = config.data;
  if (data.height == 0) return;  // the size is not known, so nothing will be drawn
  const Cost cost = estimate_cost(config.model, data.channels, data.height, data.width);
  // When the file is written, the batches are joined, which doubles them.
  const double kept_bytes = 2.0 * sizeof(float) * static_cast<double>(kept) *
                            static_cast<double>(data.channels * data.height * data.width);
  const std::int64_t batch = std::min(config.sampling.batch_size, count);
  const std::int64_t rows = config.sampling.guidance == 1 ? batch : 2 * batch;
  require_memory(
      "sampling", sampling_need(cost, config, rows, kept_bytes, runtime.device.is_cuda()),
      usable_memory(), gpu_memory(runtime.device),
      format_text("Use a smaller --batch-size ({} at once now), {}smaller images (--image-size)",
                  batch, kept > 0 ? "fewer images in one file (--count), " : ""));
}

ExitCode sample_images(const LoadedModel& model, const SampleRequest& request) {
  refuse_upsampler(model.config);
  check_predicts_image(model.config);
  if (!model.obstacle.empty())
    throw ConfigError("no images can be sampled from this model: " + model.obstacle +
                      ". ddpm denoise, inspect and convert work");
  if (request.guide != nullptr) {
    check_predicts_image(request.guide->config);
    check_guide(model.config, request.guide->config);
  }
  return SampleJob(model, request).run();
}

}  // namespace ddpm
