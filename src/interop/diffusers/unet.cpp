#include "ddpm/base/log.h"
#include "ddpm/interop/diffusers.h"
#include "unet_2d.h"
#include "unet_2d_condition.h"
#include "unet_keys.h"

namespace ddpm {
namespace {

// There are copies of google's configs that lack attention_head_dim. Read literally, they give many
// heads to networks that were trained with one, and no shape shows the mistake.
void warn_of_lost_head_key(const nlohmann::json& unet, const std::string& name,
                           const ModelConfig& model) {
  if (!unet.contains("attention_head_dim") && model.norm_epsilon == 1e-6 &&
      model.downsample_padding == DownsamplePadding::kAsymmetric &&
      model.time_order == TimeOrder::kSinCos)
    log_warning(
        "{}: attention_head_dim is missing, so heads have 8 channels, as in diffusers; networks "
        "with these settings were trained with one head; for one, add "
        "--set model.attention_head_width=0",
        name);
}

}  // namespace

void apply_unet_config(const nlohmann::json& unet, const std::string& name, Config& config) {
  JsonKeys keys(unet, name);
  std::string class_name = keys.text("_class_name", "UNet2DModel");
  if (class_name.starts_with("Flax")) class_name = class_name.substr(4);
  if (class_name == "UNet2DConditionModel") {
    apply_unet_2d_condition(keys, config);
  } else if (class_name == "UNet2DModel") {
    apply_unet_2d(keys, config);
    warn_of_lost_head_key(unet, name, config.model);
  } else {
    keys.fail("_class_name",
              "'" + shorten(class_name) +
                  "' is not supported; only UNet2DModel and UNet2DConditionModel are");
  }
  warn_of_unknown_keys(keys, name);
}

nlohmann::ordered_json unet_config(const Config& config) {
  return config.model.context_width > 0 ? unet_2d_condition_config(config) : unet_2d_config(config);
}

}  // namespace ddpm
