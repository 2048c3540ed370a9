#include "ddpm/training/prepare.h"

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/signals.h"
#include "ddpm/base/stopwatch.h"
#include "ddpm/base/text.h"
#include "ddpm/config/describe.h"
#include "ddpm/config/validate.h"
#include "ddpm/data/load.h"

namespace ddpm {
namespace {

void check_labels(const ModelConfig& model, const ImageStore& images) {
  if (model.class_embedding == ClassEmbeddingKind::kNone) return;
  for (const std::int64_t label : images.labels()) {
    if (label < 0)
      throw DataError(
          "data: some images have no class, but a class-conditional network needs one for each "
          "image; add labels or a folder per class, or set model.class_embedding=none");
    if (label >= model.classes)
      throw ConfigError(format_text(
          "config: model.classes = {}: there are images of class {}, counted from 0; set "
          "model.classes to the number of classes",
          model.classes, label));
  }
}

ImageStore load_data(Config& config, CacheUse cache) {
  const Stopwatch watch;
  ImageStore images = load_images(config.data, {.stop = stop_requested}, cache);
  config.data.height = images.height();
  config.data.width = images.width();
  config.data.channels = images.channels();
  check_image_size(config.model, images.height(), images.width());
  check_labels(config.model, images);
  log_info("data: {} {} of {}x{} pixels and {}, from {} ({:.1f} s)", with_thousands(images.count()),
           images.count() == 1 ? "image" : "images", images.width(), images.height(),
           counted(images.channels(), "channel"), images.info().source, watch.seconds());
  return images;
}

}  // namespace

Prepared prepare(Config& config, CacheUse cache) {
  check_trainable(config);
  check_data_path(config.data);
  const RunConfig& run = config.run;
  const Runtime runtime = set_up_runtime({.device = run.device,
                                          .precision = run.precision,
                                          .threads = run.threads,
                                          .deterministic = run.deterministic});
  log_info("device: {}", runtime.description);
  ImageStore images = load_data(config, cache);
  const Cost cost =
      estimate_cost(config.model, config.data.channels, config.data.height, config.data.width);
  log_info("network: {} parameters, {:.2f} GFLOP per evaluation", with_thousands(cost.parameters),
           2e-9 * cost.forward_macs);
  log_info("settings that differ from the defaults:");
  for (const std::string& line : changed_settings(config)) log_info("  {}", line);
  return {runtime, std::move(images), cost};
}

}  // namespace ddpm
