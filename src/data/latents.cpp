#include "ddpm/data/latents.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/image/image.h"
#include "read_floats.h"

namespace ddpm {
namespace {

double scale_of(const TensorSet& file) {
  const auto found = file.metadata.find("scale");
  if (found == file.metadata.end()) return 1;
  const std::string& text = found->second;
  double scale = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), scale);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(scale) ||
      scale == 0)
    throw DataError(format_text("{}: its metadata have the scale '{}', which must be a number",
                                file.path.string(), text));
  return scale;
}

const TensorView& latents_of(const TensorSet& file, const DataConfig& config) {
  const std::string path = file.path.string();
  const TensorView* latents = file.find("latents");
  if (latents == nullptr) throw DataError(path + ": there is no tensor 'latents' [N,C,H,W]");
  const std::vector<std::int64_t>& shape = latents->shape;
  if (shape.size() != 4 || latents->bytes.empty())
    throw DataError(path + ": 'latents' must have the shape [N,C,H,W], none of them 0");
  if (!is_channel_count(shape[1]))
    throw DataError(format_text("{}: latents of {} channels are not supported; only 1, 3 and 4 are",
                                path, shape[1]));
  const auto differs = [](std::int64_t wanted, std::int64_t found) {
    return wanted > 0 && wanted != found;
  };
  if (differs(config.channels, shape[1]) || differs(config.height, shape[2]) ||
      differs(config.width, shape[3]))
    throw DataError(format_text(
        "{}: the latents are {}x{} (width x height) with {} channels, but the config demands "
        "{}x{} with {} (data.width, data.height, data.channels; 0: any)",
        path, shape[3], shape[2], shape[1], config.width, config.height, config.channels));
  return *latents;
}

std::vector<std::int64_t> labels_of(const TensorSet& file, std::int64_t count) {
  std::vector<std::int64_t> labels(static_cast<std::size_t>(count), -1);
  const TensorView* given = file.find("labels");
  if (given == nullptr) return labels;
  if (given->dtype != DType::kI64 || given->shape != std::vector<std::int64_t>{count})
    throw DataError(format_text("{}: 'labels' must be I64 [{}], one for each latent",
                                file.path.string(), count));
  std::memcpy(labels.data(), given->bytes.data(), given->bytes.size());
  return labels;
}

}  // namespace

ImageStore load_latents(const DataConfig& config) {
  const TensorSet file = open_tensors(config.path, "data.path");
  const double scale = scale_of(file);
  const TensorView& stored = latents_of(file, config);
  const torch::Tensor latents =
      read_floats(stored, stored.bytes, config.path).view(stored.shape) * scale;
  if (!latents.isfinite().all().item<bool>())
    throw DataError(config.path + ": 'latents' has values that are not finite");
  const torch::Tensor rows = latents.permute({0, 2, 3, 1}).contiguous();
  std::vector<std::uint8_t> bytes(rows.nbytes());
  std::memcpy(bytes.data(), rows.const_data_ptr(), bytes.size());
  return ImageStore({.stored_height = latents.size(2),
                     .stored_width = latents.size(3),
                     .channels = latents.size(1),
                     .height = latents.size(2),
                     .width = latents.size(3),
                     .latents = true,
                     .source = format_text("latents {} (scale {})", config.path, scale)},
                    std::move(bytes), labels_of(file, latents.size(0)));
}

}  // namespace ddpm
