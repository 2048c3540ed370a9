#include "ddpm/data/scan.h"

#include "arrays.h"
#include "ddpm/base/format.h"
#include "ddpm/data/load.h"
#include "wrong_source.h"

namespace ddpm {
namespace {

// The classes by number, also those between without an image; one without a name is called by its
// number.
std::vector<std::pair<std::string, std::int64_t>> named_counts(
    const std::map<std::int64_t, std::int64_t>& counts, const std::vector<std::string>& names) {
  std::vector<std::pair<std::string, std::int64_t>> classes;
  for (const auto& [label, count] : counts) {
    const auto index = static_cast<std::size_t>(label);
    while (classes.size() <= index) {
      const std::size_t next = classes.size();
      classes.emplace_back(next < names.size() ? names[next] : std::to_string(next), 0);
    }
    classes[index].second = count;
  }
  return classes;
}

DataSummary summarize_files(const DataConfig& config, const WorkOptions& options) {
  const ImageFiles files = find_image_files(config);
  std::vector<Image> shapes(files.images.size());
  const auto look = [&](std::size_t i) {
    Image image = read_image(files, i, config.orientation);
    image.pixels = {};
    shapes[i] = image;
  };
  const auto reasons = for_each_image(shapes.size(), options, /*stop_at_first=*/false, look);

  DataSummary summary;
  summary.source = format_text("{} {}", config.source, config.path);
  summary.passed_over = files.passed_over;
  summary.empty_classes = files.empty_classes;
  std::map<std::int64_t, std::int64_t> counts;
  for (std::size_t i = 0; i < files.class_names.size(); ++i)
    counts[static_cast<std::int64_t>(i)] = 0;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    if (!reasons[i].empty()) {
      summary.bad.push_back({files.full_name(i), reasons[i]});
      continue;
    }
    ++summary.count;
    ++summary.sizes[{shapes[i].height, shapes[i].width}];
    ++summary.channels[shapes[i].channels];
    if (const std::int64_t label = files.images[i].label; label >= 0) ++counts[label];
  }
  summary.classes = named_counts(counts, files.class_names);
  return summary;
}

// Describes a source that is one array, also of latents. It is complete, or loading it throws DataError.
DataSummary summarize_array(DataConfig config, const WorkOptions& options) {
  config.height = config.width = config.channels = 0;
  config.crop = Crop::kCenter;
  const ImageStore store = load_images(config, {.work = options});
  const ImageStoreInfo& info = store.info();
  DataSummary summary;
  summary.source = info.source;
  summary.count = store.count();
  summary.sizes[{static_cast<int>(info.height), static_cast<int>(info.width)}] = store.count();
  summary.channels[static_cast<int>(info.channels)] = store.count();
  std::map<std::int64_t, std::int64_t> counts;
  for (const std::int64_t label : store.labels())
    if (label >= 0) ++counts[label];
  summary.classes = named_counts(counts, info.class_names);
  return summary;
}

}  // namespace

DataSummary summarize_data(const DataConfig& config, const WorkOptions& options) {
  if (is_array(config.source) || config.source == DataSource::kLatents)
    return summarize_array(config, options);
  return explain_wrong_source(config, [&] { return summarize_files(config, options); });
}

}  // namespace ddpm
