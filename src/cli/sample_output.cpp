#include "sample_output.h"

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"

namespace ddpm::cli {
namespace {

namespace fs = std::filesystem;

std::string ending_of(ImageFormat format) { return format_text(".{}", format); }

// The format of a file of that name; nothing if the path is that of a folder.
std::optional<ImageFormat> format_of(const std::string& path) {
  const std::string ending = lower_case(fs::path(path).extension().string());
  if (ending.empty() || path.ends_with('/')) return std::nullopt;
  if (const auto format = parse_choice<ImageFormat>(std::string_view(ending).substr(1)))
    return format;
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return std::nullopt;
  throw ConfigError(format_text(
      "--output: '{}': there is no format {}; end the name in .png for one picture of all images, "
      "in .npz, .safetensors or .apng, or name a folder for single PNG files ('{}/' if it has a dot)",
      shorten(path), shorten(ending), shorten(path)));
}

ImageFormat given_format(const OutputOptions& options) {
  return options.format ? choose<ImageFormat>("--format", *options.format) : ImageFormat::kPng;
}

// The format of the one file that the options other than --output ask for; nothing if they are
// content with single images.
std::optional<ImageFormat> format_of_one_file(const OutputOptions& options) {
  const ImageFormat format = given_format(options);
  if (options.grid && format != ImageFormat::kPng)
    throw ConfigError(format_text("--grid: a grid is a PNG file, not {}", format));
  if (options.trajectory && format == ImageFormat::kNpz)
    throw ConfigError("--trajectory: works with --format png, safetensors and apng");
  if (format != ImageFormat::kPng || options.grid || options.trajectory) return format;
  return std::nullopt;
}

// The option that asks for one file, for messages.
std::string reason_for_one_file(const OutputOptions& options) {
  if (options.grid) return "--grid";
  if (options.trajectory) return "--trajectory";
  return "--format " + options.format.value_or("");
}

}  // namespace

SampleOutput choose_output(const OutputOptions& options) {
  if (options.path.empty()) {
    const std::optional<ImageFormat> format = format_of_one_file(options);
    if (!format) return {.path = options.name};
    return {.path = options.name + ending_of(*format), .format = *format, .one_file = true};
  }
  const std::optional<ImageFormat> format = format_of(options.path);
  if (!format) {
    if (const auto wanted = format_of_one_file(options))
      throw ConfigError(format_text(
          "--output: '{}' is a folder for single images, but {} writes one file: end its name in "
          "{}",
          shorten(options.path), reason_for_one_file(options), ending_of(*wanted)));
    return {.path = options.path};
  }
  if (options.format && given_format(options) != *format)
    throw ConfigError(format_text("--format {}: the name of --output, '{}', ends in {}",
                                  *options.format, shorten(options.path), ending_of(*format)));
  OutputOptions agreed = options;
  agreed.format = name_of(*format);
  static_cast<void>(format_of_one_file(agreed));  // refuses a grid as npz, for example
  return {.path = options.path, .format = *format, .one_file = true};
}

}  // namespace ddpm::cli
