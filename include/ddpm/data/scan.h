// A look at a data set without training on it, for `ddpm inspect --data`.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/data/folder.h"

namespace ddpm {

struct DataSummary {
  std::string source;                                         // as ImageStoreInfo::source
  std::int64_t count = 0;                                     // images that can be used
  std::map<std::pair<int, int>, std::int64_t> sizes;          // (height, width) as stored -> images
  std::map<int, std::int64_t> channels;                       // as stored: 1, 3, 4 -> images
  std::vector<std::pair<std::string, std::int64_t>> classes;  // name, images; empty without labels
  std::vector<BadFile> bad;                                   // full paths, in sorted order
};

// Decodes everything once and lists every file that cannot be used. Broken images are no error
// here; a missing or empty folder is (DataError).
DataSummary summarize_data(const DataConfig& config, const WorkOptions& options = {});

}  // namespace ddpm
