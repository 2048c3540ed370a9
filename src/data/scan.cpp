#include "ddpm/data/scan.h"

#include "ddpm/data/load.h"

namespace ddpm {
namespace {

DataSummary summarize_folder(const DataConfig& config, const WorkOptions& options) {
  const ImageFolder folder = list_image_folder(config.path);
  std::vector<Image> shapes(folder.images.size());
  const auto look = [&](std::size_t i) {
    Image image = read_folder_image(folder, i);
    image.pixels = {};
    shapes[i] = image;
  };
  const auto reasons = for_each_image(shapes.size(), options, /*stop_at_first=*/false, look);

  DataSummary summary;
  summary.source = "folder " + config.path;
  for (const std::string& name : folder.class_names) summary.classes.emplace_back(name, 0);
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    if (!reasons[i].empty()) {
      summary.bad.push_back({folder.full_path(i), reasons[i]});
      continue;
    }
    ++summary.count;
    ++summary.sizes[{shapes[i].height, shapes[i].width}];
    ++summary.channels[shapes[i].channels];
    if (const std::int64_t label = folder.images[i].label; label >= 0)
      ++summary.classes[static_cast<std::size_t>(label)].second;
  }
  return summary;
}

// Describes a source that is one array. It is complete, or loading it throws DataError.
DataSummary summarize_array(DataConfig config, const WorkOptions& options) {
  config.height = config.width = config.channels = 0;
  config.crop = Crop::kCenter;
  const ImageStore store = load_images(config, options);
  const ImageStoreInfo& info = store.info();
  DataSummary summary;
  summary.source = info.source;
  summary.count = store.count();
  summary.sizes[{static_cast<int>(info.height), static_cast<int>(info.width)}] = store.count();
  summary.channels[static_cast<int>(info.channels)] = store.count();
  std::map<std::int64_t, std::int64_t> counts;
  for (const std::int64_t label : store.labels())
    if (label >= 0) ++counts[label];
  for (const auto& [label, count] : counts) {
    const auto index = static_cast<std::size_t>(label);
    const bool named = index < info.class_names.size();
    summary.classes.emplace_back(named ? info.class_names[index] : std::to_string(label), count);
  }
  return summary;
}

}  // namespace

DataSummary summarize_data(const DataConfig& config, const WorkOptions& options) {
  return config.source == DataSource::kFolder ? summarize_folder(config, options)
                                              : summarize_array(config, options);
}

}  // namespace ddpm
