// Whether this build reads WebP files.
#pragma once

#include <string>

#include "ddpm/base/error.h"
#include "ddpm/image/codec.h"
#include "support/files.h"

namespace ddpm::testing {

// The reason why no WebP file can be read by this build, or nothing.
inline std::string why_no_webp() {
  const std::string file =
      std::string(DDPM_SOURCE_DIR) + "/tests/fuzz/corpus/webp/valid_lossy_alpha.webp";
  try {
    static_cast<void>(read_image_info(as_bytes(content_of(file)), file));
    return "";
  } catch (const DataError& error) {
    return contains(error.what(), "built without libwebp") ? error.what() : "";
  }
}

}  // namespace ddpm::testing
