#include "ddpm/training/prepare.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "ddpm/architecture/memory_need.h"
#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/host.h"
#include "ddpm/base/log.h"
#include "ddpm/base/signals.h"
#include "ddpm/base/stopwatch.h"
#include "ddpm/base/text.h"
#include "ddpm/base/version.h"
#include "ddpm/config/describe.h"
#include "ddpm/config/difference.h"
#include "ddpm/config/fields.h"
#include "ddpm/config/loader.h"
#include "ddpm/config/validate.h"
#include "ddpm/data/contexts.h"
#include "ddpm/data/load.h"
#include "ddpm/distributed/placement.h"
#include "ddpm/training/trainer.h"

namespace ddpm {
namespace {

// The names of classes that a config can hold: its copy in a checkpoint is at most 1 MiB.
bool can_be_recorded(const std::vector<std::string>& names) {
  constexpr std::size_t kMostBytes = 1 << 18;
  std::size_t bytes = 0;
  for (const std::string& name : names) bytes += name.size() + 4;
  return names.size() <= kMaxTexts && bytes <= kMostBytes;
}

// Compares the names of the data's classes with those of the config, or records them there.
void settle_class_names(std::vector<std::string>& wanted, const std::vector<std::string>& found) {
  if (wanted.empty() && can_be_recorded(found)) wanted = found;
  if (wanted == found || wanted.empty()) return;
  std::vector<std::string> missing, added;
  std::ranges::copy_if(wanted, std::back_inserter(missing), [&](const std::string& name) {
    return std::ranges::find(found, name) == found.end();
  });
  std::ranges::copy_if(found, std::back_inserter(added), [&](const std::string& name) {
    return std::ranges::find(wanted, name) == wanted.end();
  });
  throw DataError(format_text(
      "the data have {}, but data.class_names has {}; missing: {}; added: {}{}. Class numbers would "
      "change their meaning: restore the classes as they were, or start a new run for the new ones",
      counted(std::ssize(found), "class"), wanted.size(),
      missing.empty() ? "none" : shorten(join(missing), 300),
      added.empty() ? "none" : shorten(join(added), 300),
      missing.empty() && added.empty() ? "; the order differs" : ""));
}

void warn_of_untrained_null_class(const Config& config) {
  if (!config.model.null_class || config.training.label_dropout > 0) return;
  log_warning(
      "model.null_class = true, but training.label_dropout = 0: the null class is not trained; "
      "set training.label_dropout=0.1 for guidance");
}

void check_labels(const ModelConfig& model, const ImageStore& images) {
  if (model.class_embedding == ClassEmbeddingKind::kNone) return;
  const ImageStoreInfo& info = images.info();
  if (!info.empty_classes.empty())
    throw DataError(format_text(
        "data: the {} no image that can be used{}; add images, or leave the folder out by "
        "data.exclude",
        info.empty_classes.size() == 1
            ? "class folder '" + info.empty_classes.front() + "' has"
            : "class folders " + shorten(join(info.empty_classes), 300) + " have",
        info.passed_over.empty() ? "" : " (passed over: " + info.passed_over + ")"));
  const auto named = static_cast<std::int64_t>(info.class_names.size());
  if (named > 0 && named != model.classes)
    throw ConfigError(format_text(
        "config: model.classes = {}: the data have {} ({}); set model.classes={}", model.classes,
        counted(named, "class"), shorten(join(info.class_names), 200), named));
  const auto& labels = images.labels();
  const std::int64_t without = std::ranges::count_if(labels, [](auto label) { return label < 0; });
  if (without > 0)
    throw DataError(format_text(
        "data: {} of {} images {} no class{}, but a class-conditional network needs one for each "
        "image; add labels or a folder per class, or set model.class_embedding=none",
        without, labels.size(), without == 1 ? "has" : "have",
        info.unlabelled.empty() ? "" : " (the first is '" + info.unlabelled + "')"));
  if (const std::int64_t last = std::ranges::max(labels); last >= model.classes)
    throw ConfigError(
        format_text("config: model.classes = {}: there are images of class {}, counted from 0; set "
                    "model.classes={}, or more",
                    model.classes, last, last + 1));
}

ImageStore load_data(Config& config, bool force, CacheUse cache) {
  const Stopwatch watch;
  ImageStore images =
      load_images(config.data, {.work = {.stop = stop_requested}, .cache = cache, .force = force});
  config.data.height = images.height();
  config.data.width = images.width();
  config.data.channels = images.channels();
  check_image_size(config.model, images.height(), images.width());
  check_labels(config.model, images);
  if (config.model.context_width > 0)  // refuses a file that does not fit
    static_cast<void>(Contexts(config.data.context, config.model.context_width).rows_of(images));
  if (config.model.class_embedding != ClassEmbeddingKind::kNone)
    settle_class_names(config.data.class_names, images.info().class_names);
  log_info("data: {} {} of {}x{} pixels and {}, from {} ({:.1f} s)", with_thousands(images.count()),
           images.count() == 1 ? "image" : "images", images.width(), images.height(),
           counted(images.channels(), "channel"), images.info().source, watch.seconds());
  if (!images.info().passed_over.empty())
    log_info("data: passed over {}", images.info().passed_over);
  return images;
}

// Each process computes a share of the batch, and those of a machine share its memory.
void require_training_memory(const Config& config, const Cost& cost, torch::Device device,
                             const World& world) {
  const TrainingConfig& training = config.training;
  Config share = config;
  share.training.micro_batches *= world.size;
  UsableMemory usable = usable_memory();
  usable.free /= static_cast<double>(world.local_size);
  require_memory(
      "training", training_need(cost, share, device.is_cuda()), usable, gpu_memory(device),
      format_text("Use a smaller training.batch_size ({} now) or more training.micro_batches ({} "
                  "now), smaller images (--image-size) or a smaller network (model.base_width)",
                  training.batch_size, training.micro_batches));
}

std::string program_text() {
  const VersionInfo& version = version_info();
  return format_text("{} ({}, LibTorch {})", version.program, version.git_revision,
                     version.libtorch);
}

void require_config_of_rank_0(ProcessGroup& group, const Config& config) {
  const Config first =
      config_from_json_text(group.share("config", to_json(config)), "the config of rank 0");
  std::vector<std::string> list;
  for (const Difference& d : all_differences(first, config))
    list.push_back(format_text("{} is {}, but {} there", d.path, d.after, d.before));
  if (list.empty()) return;
  throw ConfigError(format_text("rank {} on {} differs from rank 0: {}", group.world().rank,
                                host_name(), shorten(join(list, "; "), 1000)));
}

}  // namespace

Prepared prepare(Config& config, bool force, CacheUse cache, ProcessGroup* group) {
  const World world = group != nullptr ? group->world() : World{};
  if (group != nullptr) {
    group->require_equal("the program", program_text());
    require_config_of_rank_0(*group, config);
  }
  check_trainable(config);
  static_cast<void>(rows_of_micro_batch(config.training, world));
  check_data_path(config.data);
  warn_of_untrained_null_class(config);
  RuntimeOptions settings = runtime_options(config.run);
  settings.device = device_of(settings.device, world);
  settings.threads = threads_of(settings.threads, world);
  const Runtime runtime = set_up_runtime(settings);
  log_info("device: {}", runtime.description);
  if (group != nullptr) {
    log_info("{} by {}, each with {} of a batch", counted(world.size, "process"),
             group->launch().launcher, counted(config.training.batch_size / world.size, "image"));
    require_own_gpus(*group, runtime.device);
  }
  log_precision(runtime);
  std::optional<ImageStore> images;
  const auto load = [&] { images.emplace(load_data(config, force, cache)); };
  if (group != nullptr)
    group->one_first_on_each_host("data", load);
  else
    load();
  const Cost cost =
      estimate_cost(config.model, config.data.channels, config.data.height, config.data.width);
  log_info("network: {} parameters, {:.2f} GFLOP per evaluation", with_thousands(cost.parameters),
           2e-9 * cost.forward_macs);
  log_info("settings that differ from the defaults:");
  for (const std::string& line : changed_settings(config)) log_info("  {}", line);
  config.run.precision = runtime.precision;  // not earlier: the lines show what was asked for
  if (!force) require_training_memory(config, cost, runtime.device, world);
  if (group != nullptr) {
    group->require_equal("the content of the images", images->fingerprint());
    group->require_equal("the precision", format_text("{}", runtime.precision));
  }
  return {runtime, std::move(*images), cost};
}

}  // namespace ddpm
