#include "wrong_source.h"

#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/config/data_source.h"

namespace ddpm {
namespace {

// CIFAR comes in tar archives, which may have any name.
bool is_read_from_tar(DataSource source) {
  return source == DataSource::kTar || source == DataSource::kCifar10 ||
         source == DataSource::kCifar100;
}

}  // namespace

std::string wrong_source_advice(const DataConfig& config) {
  if (config.source == DataSource::kEmbedded || config.path.empty() || !path_exists(config.path))
    return "";
  const DataSource likely = source_of_path(config.path);
  const bool is_unclear = likely == DataSource::kFolder && !is_folder(config.path);
  if (likely == config.source || is_unclear ||
      (is_read_from_tar(likely) && is_read_from_tar(config.source)))
    return "";
  return format_text(
      "; data.source is \"{}\", but '{}' looks like one of \"{}\": set data.source={}, or leave it "
      "out",
      config.source, shown(config.path), likely, likely);
}

}  // namespace ddpm
