// Describes a data set, for `ddpm inspect --data`.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/data/image_files.h"

namespace ddpm {

struct DataSummary {
  std::string source;                                         // as ImageStoreInfo::source
  std::int64_t count = 0;                                     // images that can be used
  std::map<std::pair<int, int>, std::int64_t> sizes;          // images by stored (height, width)
  std::map<int, std::int64_t> channels;                       // images by stored channels 1, 3, 4
  std::vector<std::pair<std::string, std::int64_t>> classes;  // entry i: name and images of class i
  std::vector<std::string> empty_classes;                     // as ImageStoreInfo::empty_classes
  std::map<std::string, std::int64_t> passed_over;            // as ImageFiles::passed_over
  std::vector<BadFile> bad;                                   // in sorted order
};

// Decodes every image once and lists the files that cannot be used. Broken images are not an error
// here; a missing or empty folder is a DataError.
DataSummary summarize_data(const DataConfig& config, const WorkOptions& options = {});

}  // namespace ddpm
