#include "image_writer.h"

#include <algorithm>
#include <optional>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/output.h"
#include "ddpm/base/text.h"
#include "ddpm/image/animation.h"
#include "ddpm/image/grid.h"
#include "ddpm/io/weights.h"
#include "image_texts.h"
#include "sheets.h"

namespace ddpm {

ImageWriter::ImageWriter(const LoadedModel& model, const SampleRequest& request,
                         const SamplerPlan& plan, std::int64_t count)
    : model_(model),
      request_(request),
      plan_(plan),
      count_(count),
      range_(data_of_pictures(model.config.data, request.autoencoder).range) {}

PngText ImageWriter::texts(std::int64_t index) const {
  return image_texts(model_, request_, index, writes_single_images());
}

fs::path ImageWriter::image_path(std::int64_t index) const {
  return request_.output / format_text("{:06}.png", index);
}

void ImageWriter::write_single_images(const torch::Tensor& images, std::int64_t first) const {
  const std::vector<Image> list = tensor_to_images(images, range_);
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto index = first + static_cast<std::int64_t>(i);
    const fs::path path = image_path(index);
    write_png(path, list[i], texts(index));
    print_path(path);
  }
}

// Also tells who repeats a command that the pictures would be those that are there.
void ImageWriter::refuse_to_replace() const {
  if (!path_exists(request_.output)) return;
  const auto refuse = [&](const fs::path& path, const char* advice) {
    const std::optional<FileInfo> old = file_info(path);
    if (!old || !old->is_file) return;
    throw ConfigError(format_text(
        "--output: '{}' exists already; {} with --overwrite. The same command draws the same "
        "pictures again; --seed {} draws others",
        shown(path), advice, model_.config.run.seed == 0 ? 1 : 0));
  };
  if (!writes_single_images()) return refuse(request_.output, "choose another name, or replace it");
  for (std::int64_t i = request_.first; i < request_.first + count_; ++i)
    refuse(image_path(i), "write to another folder, or replace such images");
}

// Problems with the output must show before hours of work, not after them.
void ImageWriter::check_output(std::int64_t channels) const {
  const bool pixels = request_.format == ImageFormat::kPng || animates();
  if (pixels && !is_channel_count(channels))
    throw ConfigError(format_text(
        "the images of this model have {}, which a PNG file cannot have; write them with --format "
        "safetensors or --format npz",
        counted(channels, "channel")));
  if (!request_.overwrite) refuse_to_replace();
  check_output_file(writes_single_images() ? image_path(request_.first) : request_.output,
                    /*overwrite=*/true);
}

torch::Tensor ImageWriter::timesteps() const {
  std::vector<std::int64_t> times;
  for (const ops::SamplerStep& step : plan_.steps)
    times.push_back(static_cast<std::int64_t>(step.time));
  return torch::tensor(times, torch::kInt64);
}

void ImageWriter::write_animation(const DrawnImages& drawn) const {
  const auto images_at = [&](const Frames& frames, std::size_t k) {
    std::vector<torch::Tensor> batches;
    for (const auto& batch : frames) batches.push_back(batch.at(k));
    return tensor_to_images(torch::cat(batches), range_);
  };
  std::vector<Image> sheets;
  for (std::size_t k = 0; k < drawn.frames.front().size(); ++k)
    sheets.push_back(animation_sheet(images_at(drawn.frames, k), images_at(drawn.predicted, k)));
  write_apng(request_.output, sheets, {}, texts(request_.first));
}

void ImageWriter::write_grid(const torch::Tensor& images) const {
  const std::vector<Image> list = tensor_to_images(images, range_);
  if (list.size() == 1) return write_png(request_.output, list.front(), texts(request_.first));
  // A row for each class or prompt.
  const std::size_t kinds = std::max(request_.classes.size(), request_.prompts.size());
  write_png(request_.output,
            kinds > 1 ? class_sheet(list, kinds) : make_grid(list, {.columns = request_.columns}),
            texts(request_.first));
}

void ImageWriter::write_result(const DrawnImages& drawn) const {
  if (drawn.images.empty()) return;
  const torch::Tensor images = torch::cat(drawn.images);
  const PngText special = special_texts(model_, request_);
  const SafetensorsMetadata metadata(special.begin(), special.end());
  if (request_.format == ImageFormat::kPng && request_.trajectory) {
    // Each image has a row, with time from left to right.
    std::vector<torch::Tensor> batches;
    for (const auto& frames : drawn.frames)
      batches.push_back(torch::stack(frames, 1).flatten(0, 1));
    const GridOptions grid{.columns = static_cast<int>(drawn.frames.front().size())};
    write_png(request_.output, make_grid(tensor_to_images(torch::cat(batches), range_), grid),
              texts(request_.first));
  } else if (animates()) {
    write_animation(drawn);
  } else if (request_.format == ImageFormat::kPng) {
    write_grid(images);
  } else if (request_.trajectory) {
    std::vector<torch::Tensor> batches;
    for (const auto& frames : drawn.frames) batches.push_back(torch::stack(frames, 0));
    save_tensors(
        request_.output,
        {{"images", images}, {"trajectory", torch::cat(batches, 1)}, {"timesteps", timesteps()}},
        metadata);
  } else {
    write_tensor_file(request_.output, images, range_, request_.format, metadata);
  }
  print_path(request_.output);
}

}  // namespace ddpm
