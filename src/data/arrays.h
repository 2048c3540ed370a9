// Data sets that are one array of images. Private to this folder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ddpm/config/config.h"

namespace ddpm {

struct ArrayData {
  int height = 0;
  int width = 0;
  int channels = 0;
  std::vector<std::uint8_t> pixels;      // [N,height,width,channels]
  std::vector<std::int64_t> labels;      // [N]; -1: none
  std::vector<std::string> class_names;  // may be empty
  std::string source;                    // as ImageStoreInfo::source
};

// Whether the source is one array: embedded, npz, idx, cifar10, cifar100.
bool is_array(DataSource source);

// Reads such a source as it is stored. Throws DataError.
ArrayData load_array(const DataConfig& config);

}  // namespace ddpm
