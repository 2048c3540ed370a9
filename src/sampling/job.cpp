#include "ddpm/sampling/job.h"

#include <algorithm>

#include "ddpm/architecture/memory_need.h"
#include "ddpm/base/log.h"
#include "ddpm/base/signals.h"
#include "ddpm/base/text.h"
#include "ddpm/config/loader.h"
#include "ddpm/config/unet_plan.h"
#include "ddpm/config/validate.h"
#include "ddpm/diffusion/generator.h"
#include "ddpm/sampling/setup.h"
#include "gather_batches.h"
#include "image_texts.h"
#include "image_writer.h"

namespace ddpm {
namespace {

// Images that are drawn together.
struct Batch {
  std::int64_t first, count;
};

std::vector<Batch> batches_of(const SampleRequest& request, std::int64_t largest,
                              std::int64_t first, std::int64_t count) {
  std::vector<Batch> batches;
  for (const std::int64_t end = first + count; first < end; first += batches.back().count) {
    const std::int64_t most = std::min(largest, end - first);
    batches.push_back(
        {first, request.prompts.empty() ? most : images_alike(request.prompts, first, most)});
  }
  return batches;
}

class SampleJob {
 public:
  SampleJob(const LoadedModel& model, const SampleRequest& request)
      : model_(model),
        request_(request),
        shape_{model.config.data.channels, model.config.data.height, model.config.data.width},
        first_(request.first),
        count_(request.noise.defined() ? request.noise.size(0) : model.config.sampling.count),
        plan_(request.plan ? *request.plan : sampler_plan_for(model.config, model.config.sampling)),
        world_(request.group != nullptr ? request.group->world() : World{}),
        batches_(batches_of(request, model.config.sampling.batch_size, first_, count_)),
        writer_(model, request, plan_, count_) {}

  ExitCode run();

 private:
  GeneratorOptions options_for(std::int64_t count) const;
  std::optional<KnownPixels> known_pixels(std::int64_t first, std::int64_t count) const;
  void prepare_generator(std::int64_t first, std::int64_t count);
  void begin_together();
  void gather();
  void sample_batch(std::int64_t first, std::int64_t count);
  std::optional<Guidance> guidance_of(std::int64_t first) const;
  Condition condition_of(std::int64_t first, std::int64_t count) const;
  // The shape of images as they are written.
  ImageShape picture_shape() const;
  // Images as they are written, on the CPU: decoded if they are latents.
  torch::Tensor pictures_of(const torch::Tensor& images) const;
  // Passes finished images on: to who takes them, to their files, or to the one file of all.
  void finish_images(const torch::Tensor& images, std::int64_t first);
  // Whether images are kept until all are drawn, because one file will hold them.
  bool keeps_images() const { return !request_.take && !writer_.writes_single_images(); }
  // x of the first step, from what was given; undefined: noise is drawn.
  torch::Tensor start_of(std::int64_t first, std::int64_t count) const;
  // Every how many steps the images are recorded.
  std::size_t stride() const;
  // "50 steps"; an edit can make fewer or more of them.
  std::string work() const {
    const auto rows = static_cast<std::int64_t>(plan_.steps.size());
    const std::string steps = counted(steps_of(model_.config), "step");
    if (!request_.plan || rows == steps_of(model_.config)) return steps;
    return format_text("{} of {}", counted(rows, "evaluation"), steps);
  }
  // "32x32 pixels and 3 channels"
  std::string size_text() const;
  // The classes of the images; undefined for an unconditional network.
  torch::Tensor labels_of(std::int64_t first, std::int64_t count) const;

  const LoadedModel& model_;
  const SampleRequest& request_;
  ImageShape shape_;
  std::int64_t first_, count_;  // number of the first image, and how many
  SamplerPlan plan_;
  World world_;
  std::vector<Batch> batches_;                  // of all processes, which take them in turn
  std::unique_ptr<Communicator> communicator_;  // if rank 0 gets images of other ranks
  std::int64_t done_ = 0;                       // images finished
  std::unique_ptr<Generator> generator_;
  std::int64_t generator_tokens_ = 0;  // of its prompts
  std::unique_ptr<Progress> progress_;
  ImageWriter writer_;
  DrawnImages drawn_;
};

torch::Tensor SampleJob::labels_of(std::int64_t first, std::int64_t count) const {
  return class_labels(model_.config, static_cast<std::uint64_t>(model_.config.run.seed),
                      static_cast<std::uint64_t>(first), count, model_.runtime.device,
                      request_.classes);
}

GeneratorOptions SampleJob::options_for(std::int64_t count) const {
  const torch::Device device = model_.runtime.device;
  GeneratorOptions options{.seed = static_cast<std::uint64_t>(model_.config.run.seed),
                           .count = count,
                           .shape = shape_,
                           .device = device,
                           .variation = request_.variation,
                           .report_x0 = writer_.animates()};
  return options;
}

std::optional<KnownPixels> SampleJob::known_pixels(std::int64_t first, std::int64_t count) const {
  if (!request_.keep.defined()) return std::nullopt;
  const torch::Device device = model_.runtime.device;
  KnownPixels known{request_.pictures.to(device), request_.keep.to(device)};
  if (request_.noise.defined())
    known.noise = request_.noise.narrow(0, first - first_, count).to(device);
  return known;
}

// Tokens of an image's prompt; 0: it has none.
std::int64_t tokens_of(const SampleRequest& request, std::int64_t index) {
  if (request.prompts.empty()) return 0;
  return prompt_of(request.prompts, index).condition.context.size(1);
}

std::optional<Guidance> SampleJob::guidance_of(std::int64_t first) const {
  return guidance_for(
      model_.config, request_.guide != nullptr ? request_.guide->predictor() : Predictor(),
      model_.runtime.device,
      request_.prompts.empty() ? Condition{} : prompt_of(request_.prompts, first).negative);
}

// One generator is used for all batches of its size with prompts of its length, unless kept pixels have
// given noise.
void SampleJob::prepare_generator(std::int64_t first, std::int64_t count) {
  const std::int64_t tokens = tokens_of(request_, first);
  const bool has_own_noise = request_.keep.defined() && request_.noise.defined();
  if (generator_ && generator_->count() == count && generator_tokens_ == tokens && !has_own_noise)
    return;
  generator_.reset();  // frees its memory before the new one is made
  GeneratorOptions options = options_for(count);
  options.guidance = guidance_of(first);
  options.known = known_pixels(first, count);
  generator_ = std::make_unique<Generator>(plan_, model_.predictor(), options);
  generator_tokens_ = tokens;
}

Condition SampleJob::condition_of(std::int64_t first, std::int64_t count) const {
  Condition condition;
  if (!request_.prompts.empty()) condition = rows_of(request_.prompts, first, count);
  condition.labels = labels_of(first, count);
  if (request_.beside.defined())
    condition.image = request_.beside.to(model_.runtime.device).expand({count, -1, -1, -1});
  return condition;
}

torch::Tensor SampleJob::pictures_of(const torch::Tensor& images) const {
  if (request_.autoencoder == nullptr)
    return images.to(torch::kCPU, /*non_blocking=*/false, /*copy=*/true);
  return request_.autoencoder->to_pictures(images);
}

torch::Tensor SampleJob::start_of(std::int64_t first, std::int64_t count) const {
  const torch::Tensor& pictures = request_.pictures;
  const bool has_pictures = pictures.defined() && plan_.start_image != 0;
  torch::Tensor noise;
  if (request_.noise.defined()) noise = request_.noise.narrow(0, first - first_, count);
  if (!has_pictures) return noise;
  if (!noise.defined())
    noise = starting_noise(options_for(count), static_cast<std::uint64_t>(first));
  const torch::Tensor rows = torch::arange(first, first + count) % pictures.size(0);
  return plan_.start_image * pictures.index_select(0, rows).to(noise.device()) +
         plan_.start_noise * noise;
}

// A PNG trajectory shows ten steps, and an animation fifty; a tensor file holds every step.
std::size_t SampleJob::stride() const {
  if (request_.format == ImageFormat::kSafetensors) return 1;
  return std::max<std::size_t>(plan_.steps.size() / (writer_.animates() ? 50 : 10), 1);
}

void SampleJob::sample_batch(std::int64_t first, std::int64_t count) {
  const std::size_t steps = plan_.steps.size();
  std::vector<torch::Tensor> frames, predicted;
  const auto after_step = [&](const StepReport& report) {
    if (request_.trajectory && ((steps - report.step) % stride() == 0)) {
      frames.push_back(pictures_of(report.x));
      if (writer_.animates()) predicted.push_back(pictures_of(report.x0));
    }
    const double share = static_cast<double>(report.step) / static_cast<double>(steps);
    // The other ranks are about as far.
    const double before = static_cast<double>(first - first_),
                 now = share * static_cast<double>(count * world_.size);
    progress_->update(std::min(before + now, static_cast<double>(count_)),
                      format_text("t = {}", report.time));
    if (request_.group != nullptr)
      request_.group->report(first * static_cast<std::int64_t>(steps) +
                             static_cast<std::int64_t>(report.step));
    return !stop_requested();
  };
  torch::Tensor images;
  explain_out_of_memory(model_.runtime.device, count, [&] {
    prepare_generator(first, count);
    images = generator_->make(static_cast<std::uint64_t>(first), condition_of(first, count),
                              start_of(first, count), after_step);
  });
  if (!images.defined()) return;
  finish_images(images, first);
  done_ += count;
  drawn_.frames.push_back(std::move(frames));
  drawn_.predicted.push_back(std::move(predicted));
}

void SampleJob::finish_images(const torch::Tensor& images, std::int64_t first) {
  if (request_.take)
    request_.take(request_.autoencoder == nullptr ? images.clone() : pictures_of(images));
  else if (keeps_images())
    drawn_.images.push_back(pictures_of(images));
  else
    writer_.write_single_images(pictures_of(images), first);
}

std::string SampleJob::size_text() const {
  const ImageShape shape = picture_shape();
  return format_text("{}x{} pixels and {}", shape.width, shape.height,
                     counted(shape.channels, "channel"));
}

ImageShape SampleJob::picture_shape() const {
  const DataConfig pictures = data_of_pictures(model_.config.data, request_.autoencoder);
  return {pictures.channels, pictures.height, pictures.width};
}

// Compares what the ranks have, and lets rank 0 look at the output before others write there.
void SampleJob::begin_together() {
  ProcessGroup& group = *request_.group;
  group.require_equal("the model", model_.sha256.get());
  Config settings = model_.config;
  settings.run = {};  // each has its own device
  group.require_equal("the settings", to_json(settings));
  if (world_.leads() && !request_.take) writer_.check_output(picture_shape().channels);
  group.barrier("output");
  // The images to gather lie on the host.
  if (keeps_images()) communicator_ = group.communicator(torch::kCPU, /*in_order=*/true);
}

// Rank 0 gets the images of all ranks, or the number of those that they have written.
void SampleJob::gather() {
  ProcessGroup& group = *request_.group;
  if (!keeps_images()) {
    done_ = sum_over_ranks(group, "images", done_);
    return;
  }
  std::vector<DrawnBatch> own;
  for (std::size_t i = 0; i < drawn_.images.size(); ++i) {
    own.push_back({drawn_.images[i]});
    for (const auto* frames : {&drawn_.frames, &drawn_.predicted})
      own[i].insert(own[i].end(), (*frames)[i].begin(), (*frames)[i].end());
  }
  std::vector<std::int64_t> sizes;
  for (const Batch& batch : batches_) sizes.push_back(batch.count);
  const std::vector<DrawnBatch> all =
      gather_batches(group, *communicator_, own, {sizes, picture_shape()});
  drawn_ = {};
  done_ = 0;
  for (const DrawnBatch& batch : all) {
    const auto middle = batch.begin() + 1 + (std::ssize(batch) - 1) / (writer_.animates() ? 2 : 1);
    drawn_.images.push_back(batch.front());
    drawn_.frames.emplace_back(batch.begin() + 1, middle);
    drawn_.predicted.emplace_back(middle, batch.end());
    done_ += batch.front().size(0);
  }
}

ExitCode SampleJob::run() {
  // These throw before the work begins if something is wrong.
  static_cast<void>(labels_of(first_, 1));
  static_cast<void>(guidance_of(first_));
  if (request_.group != nullptr)
    begin_together();
  else if (!request_.take)
    writer_.check_output(picture_shape().channels);
  log_precision(model_.runtime);
  log_info("sampling {} of {} in {} on {}", counted(count_, "image"), size_text(), work(),
           model_.runtime.description);
  progress_ = std::make_unique<Progress>(request_.progress, "sampling", "images", count_);
  for (auto i = static_cast<std::size_t>(world_.rank); i < batches_.size() && !stop_requested();
       i += static_cast<std::size_t>(world_.size))
    sample_batch(batches_[i].first, batches_[i].count);
  progress_.reset();
  if (request_.group != nullptr) gather();
  if (!world_.leads()) return stop_exit_code();
  if (keeps_images()) writer_.write_result(drawn_);
  if (stop_requested())
    log_warning("stopped: {} of {} {}", done_, counted(count_, "image"),
                request_.take ? "drawn" : "written");
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

// What keeps the model from being sampled from as requested; "": nothing does.
std::string lacking_part(const LoadedModel& model, const SampleRequest& request) {
  if (!model.obstacle.empty()) return model.obstacle;
  if (!model.autoencoder.empty() && request.autoencoder == nullptr)
    return format_text(
        "its images are latents of an autoencoder ({}), which would have to decode them",
        model.autoencoder);
  if (model.config.model.context_width > 0 && request.prompts.empty())
    return "its pictures follow a text, which --prompt gives";
  return "";
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
  check_predicts_image(model.config, request.beside.defined() ? request.beside.size(1) : 0);
  if (const std::string lack = lacking_part(model, request); !lack.empty())
    throw ConfigError("no images can be sampled from this model: " + lack +
                      ". ddpm denoise, inspect and convert work");
  if (request.guide != nullptr) {
    check_predicts_image(request.guide->config);
    check_guide(model.config, request.guide->config);
  }
  return SampleJob(model, request).run();
}

}  // namespace ddpm
