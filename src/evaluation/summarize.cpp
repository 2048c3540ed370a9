#include "ddpm/evaluation/summarize.h"

#include <algorithm>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/signals.h"
#include "ddpm/base/text.h"
#include "ddpm/data/batch.h"
#include "ddpm/evaluation/store_images.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/formats/sha256.h"
#include "ddpm/io/weights.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kImagesAtOnce = 256;

ImageSummary summarize(const ImageStore& store, std::int64_t count, const Measures& measures) {
  ImageSummarizer summarizer(measures.extractor, measures.patches, count);
  Progress progress(measures.progress, "comparing with", "images", count);
  while (summarizer.count() < count) {
    if (stop_requested()) throw Error(stop_exit_code(), "stopped before the images were compared");
    const std::int64_t most = std::min(kImagesAtOnce, count - summarizer.count());
    summarizer.add(images_of_store(store, summarizer.count(), most).pixels.to(measures.device));
    progress.update(static_cast<double>(summarizer.count()), "");
  }
  return summarizer.finish();
}

fs::path cache_file(const fs::path& folder, const ImageStore& store, std::int64_t count,
                    const FeatureExtractor& extractor) {
  const std::string key =
      format_text("{} {} {}", store.fingerprint(), extractor.fingerprint, count);
  return folder / format_text("features-{}.safetensors", sha256_hex(key).substr(0, 32));
}

// Nothing if there is no such file, or if it is damaged, which is logged.
std::optional<torch::Tensor> read_features(const fs::path& path, std::int64_t count) {
  if (!path_exists(path)) return std::nullopt;
  try {
    const SafetensorsFile file(path);
    torch::Tensor features = to_tensor(file.get("features"));
    if (features.dim() != 2 || features.size(0) != count ||
        features.scalar_type() != torch::kFloat32)
      throw CheckpointError("its tensor has another shape");
    log_info("features of the images to compare with come from the cache {}", shown(path));
    return features;
  } catch (const Error& error) {
    log_warning("the features are computed again: {}: {}", shown(path), error.what());
    return std::nullopt;
  }
}

void write_features(const fs::path& path, const torch::Tensor& features) {
  try {
    make_directories(path.parent_path());
    save_tensors(path, {{"features", features}});
  } catch (const Error& error) {
    log_warning("the features are not kept for the next call: {}", error.what());
  }
}

}  // namespace

ImageSummary summarize_store(const ImageStore& store, std::int64_t count, const Measures& measures,
                             const std::optional<fs::path>& cache) {
  if (store.info().latents)
    throw DataError(store.info().source +
                    ": these are latents of an autoencoder; images are compared as pixels");
  const std::int64_t images = count > 0 ? std::min(count, store.count()) : store.count();
  if (measures.extractor == nullptr || !cache) return summarize(store, images, measures);
  const fs::path file = cache_file(*cache, store, images, *measures.extractor);
  const std::optional<torch::Tensor> cached = read_features(file, images);
  Measures others = measures;
  if (cached) others.extractor = nullptr;
  ImageSummary summary{.count = images, .features = {}, .patches = {}};
  if (!cached || others.patches) summary = summarize(store, images, others);
  if (!cached) write_features(file, summary.features.features);
  summary.features = {cached ? cached->to(measures.device) : summary.features.features, {}};
  return summary;
}

ImageSummary summarize_samples(const LoadedModel& model, SampleRequest request,
                               const Measures& measures) {
  const std::int64_t count = model.config.sampling.count;
  ImageSummarizer summarizer(measures.extractor, measures.patches, count);
  request.take = [&](const torch::Tensor& images) {
    summarizer.add(to_pixel_values(images, model.config.data.range).to(measures.device));
  };
  if (const ExitCode code = sample_images(model, request); code != ExitCode::kSuccess)
    throw Error(code, format_text("stopped after {} of {}, so there are no scores",
                                  summarizer.count(), counted(count, "image")));
  return summarizer.finish();
}

}  // namespace ddpm
