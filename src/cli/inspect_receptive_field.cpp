// `ddpm inspect --receptive-field PATH`.
#include "inspect_receptive_field.h"

#include <cstdio>

#include "ddpm/base/output.h"
#include "ddpm/formats/json.h"

namespace ddpm::cli {
namespace {

constexpr double kMaxSegment = 1 << 30;

}  // namespace

bool wants_receptive_field(const ReceptiveFieldOptions& options) {
  if (options.path) return true;
  if (options.segment || options.picture || options.naive)
    throw ConfigError("--segment, --picture and --naive need --receptive-field PATH");
  return false;
}

void inspect_receptive_field(const ReceptiveFieldOptions& options,
                             std::span<const ConfigOverride> overrides, bool json) {
  if (options.picture) check_picture_name(*options.picture);
  const NetworkGraph network = find_network_graph(*options.path, overrides);
  const Json result = describe_receptive_field(network, options.segment, options.naive);
  if (options.picture) draw_receptive_field(network, *options.picture);
  std::fputs(json ? (dump_json(result, 2) + "\n").c_str() : receptive_field_text(result).c_str(),
             stdout);
  if (options.picture && !json) print_path(*options.picture);
}

void add_receptive_field_options(CLI::App& command, ReceptiveFieldOptions& options) {
  constexpr const char* kGroup = "Receptive field";
  command
      .add_option("--receptive-field", options.path,
                  "How far this network sees: a config, a model, a config of HiFi-GAN, or a "
                  "layer graph (docs/receptive-field.md)")
      ->type_name("PATH")
      ->group(kGroup);
  command
      .add_option("--segment", options.segment,
                  "Length of an input (frames, pixels), to tell how much of it padding leaves free "
                  "[that of the config]")
      ->check(between(1, kMaxSegment))
      ->type_name("N")
      ->group(kGroup);
  command
      .add_option("--picture", options.picture,
                  "Draw how the field widens through the layers to a .svg or .png file")
      ->type_name("FILE")
      ->group(kGroup);
  command
      .add_flag("--naive", options.naive,
                "Also print what the common recipe gives, which divides by strides and forgets the "
                "kernels of transposed convolutions")
      ->group(kGroup);
}

}  // namespace ddpm::cli
