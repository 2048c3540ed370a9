// Finds out what a path of `ddpm inspect --receptive-field` is.
#include <algorithm>

#include "ddpm/architecture/hifi_gan_graph.h"
#include "ddpm/architecture/unet_graph.h"
#include "ddpm/base/file.h"
#include "ddpm/base/text.h"
#include "ddpm/config/fields.h"
#include "ddpm/config/validate.h"
#include "ddpm/data/fit.h"
#include "ddpm/formats/json.h"
#include "ddpm/interop/diffusers.h"
#include "ddpm/io/model_file.h"
#include "ddpm/runs/training_state.h"
#include "inspect_receptive_field.h"
#include "loose_json.h"

namespace ddpm::cli {
namespace {

using Overrides = std::span<const ConfigOverride>;

NetworkGraph graph_of(const Config& config) {
  const std::optional<StoreShape> image = known_shape(config.data);
  return unet_graph(config.model, image ? image->height : 0, image ? image->width : 0);
}

// Networks that are not configs of this program have none of its keys.
void refuse_changes(const fs::path& path, Overrides overrides) {
  if (!overrides.empty())
    throw ConfigError(
        format_text("{}: {} is no config of this program, which the option could change",
                    overrides.front().origin, shown(path)));
}

// A config.json beside or instead of weights that describes HiFi-GAN.
std::optional<NetworkGraph> hifi_gan_at(const fs::path& config, Overrides overrides) {
  if (!path_exists(config) || is_folder(config)) return std::nullopt;
  const std::string text = read_json_text(config);
  if (!is_hifi_gan_config(parse_loosely(text))) return std::nullopt;
  refuse_changes(config, overrides);
  try {
    const Document document = parse_json(text, shown(config), JsonComments::kIgnored);
    return hifi_gan_graph(read_hifi_gan_config(document, shown(config)));
  } catch (const CheckpointError& error) {  // the config is what the user asks about
    throw ConfigError(error.what());
  }
}

// Whether a config of this program would have such keys.
bool is_own_config(const Document& document) {
  return document.empty() || std::ranges::any_of(document.items(), [](const auto& item) {
           return item.key() == "extends" || item.key() == "$schema" ||
                  std::ranges::any_of(sections(),
                                      [&](const Section& s) { return s.name == item.key(); });
         });
}

NetworkGraph graph_of_json(const fs::path& path, Overrides overrides) {
  if (std::optional<NetworkGraph> vocoder = hifi_gan_at(path, overrides)) return *vocoder;
  const std::string text = read_json_text(path);
  const Document document = parse_loosely(text);
  // If it is not JSON, the words in it show whose reader should say so.
  const bool is_graph = document.is_discarded()
                            ? text.find("\"layers\"") != std::string::npos ||
                                  text.find("\"upsample_rates\"") != std::string::npos
                            : document.is_object() && document.contains("layers");
  if (is_graph) {
    refuse_changes(path, overrides);
    return read_layer_graph(text, shown(path));
  }
  if (document.is_object() &&
      (document.contains("_class_name") || document.contains("block_out_channels"))) {
    Config config;
    apply_unet_config(read_json_file(path), path.string(), config);
    validate(config);
    return graph_of(config);
  }
  if (document.is_object() && document.contains("weight_map"))  // names the files of a model
    return graph_of(open_model(path, std::nullopt, overrides).config);
  if (document.is_object() && !is_own_config(document))
    throw ConfigError(
        shown(path) +
        ": this is no network; expected a config of this program (with \"model\"), one of HiFi-GAN "
        "(with \"upsample_rates\"), one of diffusers (with \"_class_name\") or a layer graph (with "
        "\"layers\", see docs/receptive-field.md)");
  return graph_of(load_config(path.string(), {overrides.begin(), overrides.end()}).config);
}

NetworkGraph graph_of_folder(const fs::path& folder, Overrides overrides) {
  for (const fs::path& config : {folder / "config.json", folder / "unet" / "config.json"})
    if (path_exists(config)) return graph_of_json(config, overrides);
  // Weights are not verified, because nothing depends on their values.
  if (path_exists(folder / "state.json")) return graph_of(read_training_state(folder).config);
  return graph_of(open_model(folder, std::nullopt, overrides).config);
}

}  // namespace

NetworkGraph find_network_graph(const fs::path& path, Overrides overrides) {
  if (!path_exists(path))
    throw ConfigError("--receptive-field: " + shown(path) + ": no such file or folder");
  if (is_folder(path)) return graph_of_folder(path, overrides);
  if (!file_info(path)->is_file)
    throw ConfigError("--receptive-field: " + shown(path) + ": this is no file");
  if (is_json_text(path)) return graph_of_json(path, overrides);
  if (std::optional<NetworkGraph> vocoder =
          hifi_gan_at(path.parent_path() / "config.json", overrides))
    return *vocoder;
  return graph_of(open_model(path, std::nullopt, overrides).config);
}

}  // namespace ddpm::cli
