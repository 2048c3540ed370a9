#include "command.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

#include "ddpm/base/progress.h"
#include "ddpm/base/text.h"

namespace ddpm::cli {

namespace {

// People write width x height.
void append_image_size(std::vector<ConfigOverride>& list, const std::string& text) {
  const std::size_t cross = text.find('x');
  const std::string width = text.substr(0, cross);
  const std::string height = cross == std::string::npos ? width : text.substr(cross + 1);
  for (const std::string& side : {width, height}) {
    const bool is_number = !side.empty() && side.size() <= 5 &&
                           side.find_first_not_of("0123456789") == std::string::npos;
    if (!is_number || std::stoi(side) < 1 || std::stoi(side) > 16384)
      throw ConfigError(format_text(
          "--image-size: '{}' must be the side of a square, such as 32, or a width and a height, "
          "such as 48x32, from 1 to 16384 pixels; --set data.height=... and --set data.width=... "
          "say the same",
          shorten(text)));
  }
  list.push_back({"data.width", width, "--image-size"});
  list.push_back({"data.height", height, "--image-size"});
}

// CLI11 takes the largest number for one that is too large.
std::string fits_64_bits(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc::result_out_of_range) return "";  // other mistakes are found later
  return format_text("'{}' must be a whole number below 2^63", shorten(text));
}

}  // namespace

std::vector<ConfigOverride> CommonOptions::overrides() const {
  std::vector<ConfigOverride> list;
  for (const std::string& text : set) list.push_back(parse_set_option(text));
  if (image_size) append_image_size(list, *image_size);
  append_override(list, device, "run.device", "--device");
  append_override(list, precision, "run.precision", "--precision");
  append_override(list, seed, "run.seed", "--seed");
  append_override(list, threads, "run.threads", "--threads");
  return list;
}

void add_set_option(CLI::App& command, CommonOptions& options) {
  command
      .add_option(
          "--set", options.set,
          "Change one config key; can be repeated. VALUE is read as JSON, or else as a string")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false)
      ->group("Config");
}

void add_image_size_option(CLI::App& command, CommonOptions& options) {
  command
      .add_option("--image-size", options.image_size,
                  "Size of the images in pixels: 32 for a square, 48x32 for width x height; sets "
                  "data.width and data.height")
      ->type_name("SIZE")
      ->group("Config");
}

CLI::Option* add_overwrite_option(CLI::App& command, bool& overwrite) {
  return command.add_flag("--overwrite", overwrite, "Replace files that exist already");
}

void add_force_option(CLI::App& command, bool& force) {
  command
      .add_flag("--force", force,
                "Begin even if there seems to be too little memory, by the program's estimate")
      ->group("Machine");
}

void add_log_options(CLI::App& command, CommonOptions& options) {
  command.add_flag("--quiet", options.log.quiet, "Show warnings and errors only")
      ->group("Messages");
  command.add_flag("-v,--verbose", options.log.verbose, "Show debug messages too")
      ->group("Messages");
  command.add_option("--log-file", options.log.file, "Append the messages to FILE too")
      ->type_name("FILE")
      ->group("Messages");
  command
      .add_option("--progress", options.progress,
                  format_text("How to show progress: {} [{}]",
                              join_names(kChoiceNames<ProgressStyle>, " or "), options.progress))
      ->check(one_of(kChoiceNames<ProgressStyle>))
      ->type_name("STYLE")
      ->group("Messages");
}

void add_common_options(CLI::App& command, CommonOptions& options) {
  add_set_option(command, options);
  command
      .add_option("--device", options.device, "Where to compute: auto, cpu, cuda or cuda:N [auto]")
      ->type_name("NAME")
      ->group("Machine");
  command
      .add_option(
          "--precision", options.precision,
          "Number format to compute in: auto, fp32, tf32 or bf16; auto is bf16 on GPUs that "
          "have units for it, else fp32 [auto]")
      ->type_name("NAME")
      ->group("Machine");
  command
      .add_option("--threads", options.threads,
                  "Number of CPU threads, at most 1024; 0: all cores that the process may use [0]")
      ->check(between(0, 1024))
      ->type_name("N")
      ->group("Machine");
  command.add_option("--seed", options.seed, "Seed of all random numbers, from 0 to 2^63 - 1 [0]")
      ->check(fits_64_bits)
      ->type_name("N")
      ->group("Machine");
  add_log_options(command, options);
}

std::function<std::string(const std::string&)> between(double least, double most) {
  return [least, most](const std::string& text) -> std::string {
    double value = 0;
    const bool is_number = CLI::detail::lexical_cast(text, value) && std::isfinite(value);
    if (is_number && value >= least && value <= most) return "";
    const std::string range = std::isinf(most) ? format_text("{} or more", least)
                                               : format_text("from {} to {}", least, most);
    return format_text("'{}' must be a number, {}", shorten(text), range);
  };
}

std::function<std::string(const std::string&)> at_least(double least) {
  return between(least, std::numeric_limits<double>::infinity());
}

std::function<std::string(const std::string&)> one_of(std::span<const std::string_view> names) {
  return [names](const std::string& text) -> std::string {
    if (std::ranges::find(names, text) != names.end()) return "";
    return format_text("unknown '{}'; choose from {}", shorten(text), join_names(names));
  };
}

std::string model_help() {
  return "Run directory, checkpoint, diffusers folder, or weights file (.safetensors, .pt, .bin, "
         ".ckpt)";
}

std::vector<const CLI::App*> visible_commands(const CLI::App& command) {
  return command.get_subcommands([](const CLI::App* child) { return !child->get_group().empty(); });
}

std::string examples(const std::vector<std::string>& lines) {
  std::string text = "\nExamples:";
  for (const std::string& line : lines) text += "\n  " + line;
  return text;
}

}  // namespace ddpm::cli
