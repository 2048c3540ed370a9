#include "ddpm/interop/compvis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/config/fields.h"
#include "ddpm/config/unet_plan.h"
#include "ddpm/formats/json_keys.h"
#include "ddpm/interop/names.h"

namespace ddpm {
namespace {

using nlohmann::json;

const json* find_path(const json& document, std::initializer_list<const char*> path) {
  const json* at = &document;
  for (const char* key : path) {
    if (!at->is_object() || !at->contains(key)) return nullptr;
    at = &at->at(key);
  }
  return at;
}

void read_levels(JsonKeys& keys, ModelConfig& model) {
  model.base_width = keys.integer("model_channels", 320);
  model.width_multipliers = keys.integers("channel_mult", {1, 2, 4, 8});
  const std::size_t levels = model.width_multipliers.size();
  if (levels < 1 || levels > kMaxLevels)
    keys.fail("channel_mult", format_text("must have 1 to {} levels", kMaxLevels));
  for (const std::int64_t multiplier : model.width_multipliers)
    if (multiplier < 1 || multiplier > 64) keys.fail("channel_mult", "must be in [1, 64]");
  const std::vector<std::int64_t> factors = keys.integers("attention_resolutions", {});
  model.attention.clear();
  for (std::size_t level = 0; level < levels; ++level)
    model.attention.push_back(std::ranges::count(factors, std::int64_t{1} << level) > 0);
  const std::int64_t blocks = keys.integer("num_res_blocks", 2);
  if (blocks < 1 || blocks > 16) keys.fail("num_res_blocks", "must be in [1, 16]");
  model.blocks_per_level = blocks;
}

void read_attention(JsonKeys& keys, ModelConfig& model) {
  const std::int64_t heads = keys.integer("num_heads", -1),
                     width = keys.integer("num_head_channels", -1);
  if ((heads < 1) == (width < 1))
    keys.fail("num_heads", "or num_head_channels must be given, and the other left out or -1");
  model.attention_heads = std::max<std::int64_t>(heads, 0);
  model.attention_head_width = std::max<std::int64_t>(width, 0);
  if (!keys.boolean("use_spatial_transformer", false))
    keys.fail("use_spatial_transformer", "must be true");
  const json* depth = keys.find("transformer_depth");
  if (depth != nullptr && depth->is_array()) {
    model.transformer_depth = keys.integers("transformer_depth", {});
    if (model.transformer_depth.values().size() != model.attention.size())
      keys.fail("transformer_depth", "must have one entry per level");
    // XL gives a depth to levels without transformers too.
  } else {
    model.transformer_depth = keys.integer("transformer_depth", 1);
  }
  const json* context = keys.find("context_dim");
  if (context == nullptr) keys.fail("context_dim", "is missing");
  const std::vector<std::int64_t> widths = context->is_array()
                                               ? keys.integers("context_dim", {})
                                               : std::vector{keys.integer("context_dim", 0)};
  for (const std::int64_t each : widths)
    if (each != widths.front()) keys.fail("context_dim", "must be the same for every block");
  model.context_width = widths.empty() ? 0 : widths.front();
  model.linear_projections = keys.boolean("use_linear_in_transformer", false);
  const json* disabled = keys.find("disable_self_attentions");
  if (disabled != nullptr && disabled->is_array()) {
    for (const json& level : *disabled)
      model.cross_only.push_back(level.is_boolean() && level.get<bool>());
    if (model.cross_only.size() != model.attention.size())
      keys.fail("disable_self_attentions", "must have one entry per level");
  }
}

void read_network(JsonKeys& keys, Config& config) {
  ModelConfig& model = config.model;
  read_levels(keys, model);
  read_attention(keys, model);
  const std::int64_t in = keys.integer("in_channels", 4), out = keys.integer("out_channels", 4);
  if (out != 1 && out != 3 && out != 4)
    keys.fail("out_channels", "not supported; only 1, 3 and 4 are");
  config.data.channels = out;
  model.in_channels = in == out ? 0 : in;
  const json* classes = keys.find("num_classes");
  if (classes != nullptr && *classes == "sequential")
    model.vector_width = keys.integer("adm_in_channels", 0);
  else if (classes != nullptr && !classes->is_null())
    keys.fail("num_classes", "not supported; only null and \"sequential\" are");
  if (model.vector_width > 0) model.vector_time_width = 256;
  model.dropout = keys.number("dropout", 0);
  model.time_scale_shift = keys.boolean("use_scale_shift_norm", false);
  if (keys.boolean("resblock_updown", false)) {
    model.downsample = Downsampling::kResnet;
    model.upsample = Upsampling::kResnet;
  }
  keys.require("conv_resample", true);
  keys.require("dims", 2);
  model.final_groups = model.groups = 32;
  model.norm_epsilon = 1e-5;
  model.downsample_padding = DownsamplePadding::kSymmetric;
  model.time_frequencies = TimeFrequencies::kHalf;
  model.time_order = TimeOrder::kCosSin;
  model.initialization = Initialization::kOpenai;
}

constexpr std::array<Word<Prediction>, 3> kParameterizations = {
    {{"eps", Prediction::kNoise}, {"v", Prediction::kVelocity}, {"x0", Prediction::kImage}}};

// Its `linear` schedule is linear in the roots of beta.
void read_process(JsonKeys& keys, DiffusionConfig& diffusion) {
  diffusion.timesteps = keys.integer("timesteps", 1000);
  keys.require("beta_schedule", "linear");
  diffusion.schedule = BetaSchedule::kQuadratic;
  diffusion.beta_start = keys.number("linear_start", 1e-4);
  diffusion.beta_end = keys.number("linear_end", 2e-2);
  diffusion.prediction_type = keys.word("parameterization", "eps", kParameterizations);
  diffusion.variance = Variance::kFixedSmall;
  diffusion.clip_x0 = false;
}

double deviation(const std::vector<double>& values) {
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  const double mean = sum / static_cast<double>(values.size());
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

// The last transformer on the way up, in CompVis's names; "": there is none.
std::string last_transformer(const ModelConfig& model) {
  const UNetPlan plan = unet_plan(model, /*channels=*/1);
  const std::vector<BlockNames> names = block_names(plan, UNetNames::of(NamingScheme::kOpenai));
  std::string path;
  for (std::size_t i = 0; i < names.size(); ++i)
    if (plan.blocks[i].depth > 0) path = names[i].attention;
  return path;
}

}  // namespace

bool is_compvis_config(const json& document) {
  const json* unet = find_path(document, {"model", "params", "unet_config", "params"});
  return unet != nullptr && unet->is_object();
}

void apply_compvis_config(const json& document, const std::string& name, Config& config) {
  JsonKeys unet(*find_path(document, {"model", "params", "unet_config", "params"}),
                name + ": model.params.unet_config.params");
  read_network(unet, config);
  // image_size says nothing of the images: published files call it unused.
  for (const char* harmless :
       {"image_size", "legacy", "use_checkpoint", "use_fp16", "num_heads_upsample", "use_bf16",
        "spatial_transformer_attn_type", "n_embed"})
    static_cast<void>(unet.find(harmless));
  if (const std::vector<std::string> unknown = unet.unknown(); !unknown.empty())
    log_warning("{}: unknown keys are ignored: {}", name, shorten(join(unknown)));
  JsonKeys process(*find_path(document, {"model", "params"}), name + ": model.params");
  read_process(process, config.diffusion);
}

std::string describe_stable_diffusion(const ModelConfig& model, std::int64_t channels) {
  const UNetPlan plan = unet_plan(model, channels);
  const bool refiner = plan.context == 1280 && plan.vector == 2560;
  const std::string base = plan.context == 768 && plan.vector == 0       ? "Stable Diffusion 1"
                           : plan.context == 1024 && plan.vector == 0    ? "Stable Diffusion 2"
                           : plan.context == 2048 && plan.vector == 2816 ? "Stable Diffusion XL"
                           : refiner ? "Stable Diffusion XL, refiner"
                                     : "";
  if (base.empty())
    return format_text("a network like Stable Diffusion's, with a context of {} channels",
                       plan.context);
  if (plan.in == 9) return base + ", inpainting";
  if (plan.in == 8) return base + ", InstructPix2Pix";
  if (plan.in == 5) return base + ", depth";
  return base;
}

std::string apply_prediction_marks(const TensorSet& file, const TensorSet& network,
                                   Config& config) {
  DiffusionConfig& diffusion = config.diffusion;
  if (file.find("v_pred") != nullptr) {
    diffusion.prediction_type = Prediction::kVelocity;
    diffusion.zero_terminal_snr = file.find("ztsnr") != nullptr;
    return diffusion.zero_terminal_snr ? "the tensors v_pred and ztsnr" : "the tensor v_pred";
  }
  // Version 2 alone has linear projections and no vector. Its inpainting model predicts noise.
  const ModelConfig& model = config.model;
  if (!model.linear_projections || model.vector_width > 0 || model.in_channels > 0) return "";
  const TensorView* bias =
      network.find(last_transformer(model) + ".transformer_blocks.0.norm1.bias");
  if (bias == nullptr) return "";
  const std::vector<double> spread = values_of(*bias);
  constexpr double kVelocity = 0.09;
  if (spread.empty() || deviation(spread) <= kVelocity) return "";
  diffusion.prediction_type = Prediction::kVelocity;
  return "the bias of its last transformer";
}

}  // namespace ddpm
