// Where `ddpm sample` writes its images, and as what.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "ddpm/sampling/write_images.h"

namespace ddpm::cli {

// The options that decide it.
struct OutputOptions {
  std::string path;                   // --output; empty: not given
  std::optional<std::string> format;  // --format
  bool grid = false;                  // --grid
  bool trajectory = false;            // --trajectory
  std::string name = "samples";       // the path without --output and without an ending
};

struct SampleOutput {
  std::filesystem::path path;
  ImageFormat format = ImageFormat::kPng;
  bool one_file = false;  // else `path` is a folder for single PNG files
};

// The ending of --output decides: a file of a known format, or without an ending a folder; the
// other options must agree with it. Without --output they decide, and the name is `name`, in the
// current folder. Throws ConfigError for an ending that is no format, and for options that
// contradict each other.
SampleOutput choose_output(const OutputOptions& options);

}  // namespace ddpm::cli
