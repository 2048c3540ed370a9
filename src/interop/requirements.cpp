#include "ddpm/interop/requirements.h"

#include <utility>
#include <vector>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/config/fields.h"

namespace ddpm {
namespace {

// A key and the only value of it that a layout can represent.
struct Requirement {
  const char* key;
  FieldValue value;
};

FieldValue named(Choice auto value) { return std::string(name_of(value)); }
FieldValue at_every_level(Choice auto value) {
  return PerLevel<std::string>(std::string(name_of(value)));
}

std::vector<Requirement> requirements(const Layout& layout) {
  std::vector<Requirement> list = {{"model.middle_scale", 1.0},
                                   {"model.center_input", false},
                                   {"model.middle", true},
                                   {"model.middle_groups", std::int64_t{0}},
                                   {"model.attention_up", std::vector<bool>{}},
                                   {"model.activation", named(Activation::kSilu)},
                                   {"model.time_embedding", named(TimeEmbeddingKind::kSinusoidal)}};
  const auto add = [&](std::vector<Requirement> more) {
    list.insert(list.end(), more.begin(), more.end());
  };
  const NamingScheme scheme = layout.scheme;
  const bool ho = scheme == NamingScheme::kHo, openai = scheme == NamingScheme::kOpenai;
  const bool labml = scheme == NamingScheme::kLabml,
             pytorch_ddpm = scheme == NamingScheme::kPytorchDdpm;
  if (labml) {
    add({{"model.attention_kind", named(AttentionKind::kFused)},
         {"model.upsample", at_every_level(Upsampling::kTransposed)},
         {"model.width_change", named(WidthChange::kLastBlock)},
         {"model.downsample_padding", named(DownsamplePadding::kSymmetric)},
         {"model.compounding_widths", true},
         {"model.final_groups", std::int64_t{8}},
         {"model.time_frequencies", named(TimeFrequencies::kHalfMinusOne)},
         {"model.time_order", named(TimeOrder::kSinCos)}});
  } else {
    add({{"model.attention_kind", named(AttentionKind::kQkv)},
         {"model.width_change", named(WidthChange::kFirstBlock)}});
  }
  if (!openai)
    add({{"model.time_scale", 1.0},
         {"model.time_scale_shift", false},
         {"model.context_width", std::int64_t{0}},
         {"model.vector_width", std::int64_t{0}},
         {"model.in_channels", std::int64_t{0}},
         {"model.out_channels", std::int64_t{0}},
         {"model.attention_heads", PerLevel<std::int64_t>(0)},
         {"model.predicts_variance", false},
         {"model.class_embedding", named(ClassEmbeddingKind::kNone)}});
  if (ho)
    add({{"model.downsample_padding", named(DownsamplePadding::kAsymmetric)},
         {"model.time_frequencies", named(TimeFrequencies::kHalfMinusOne)},
         {"model.time_order", named(TimeOrder::kSinCos)},
         {"model.norm_epsilon", 1e-6}});
  if (pytorch_ddpm)
    add({{"model.time_frequencies", named(TimeFrequencies::kHalf)},
         {"model.time_order", named(TimeOrder::kSinCos)}});
  if (openai)
    add({{"model.time_frequencies", named(TimeFrequencies::kHalf)},
         {"model.time_order", named(TimeOrder::kCosSin)}});
  if (ho || pytorch_ddpm)
    add({{"model.attention_head_width", std::int64_t{0}},
         {"model.upsample", at_every_level(Upsampling::kNearest)}});
  if (!ho)
    add({{"model.downsample_padding", named(DownsamplePadding::kSymmetric)},
         {"model.norm_epsilon", 1e-5}});
  add({{"model.groups", std::int64_t{32}},
       {"model.middle_attention", named(MiddleAttention::kWithNorm)},
       {"model.time_width", std::int64_t{0}}});
  if (!labml) add({{"model.final_groups", std::int64_t{32}}});
  return list;
}

// Whether a layout does not depend on the number of heads.
bool has_transformers(const ModelConfig& model) { return model.context_width > 0; }

}  // namespace

void check_layout(const ModelConfig& model, const Layout& layout) {
  Config config;
  config.model = model;
  std::vector<std::string> problems;
  if (model.class_embedding != ClassEmbeddingKind::kNone &&
      model.class_embedding != ClassEmbeddingKind::kTable && layout.scheme == NamingScheme::kOpenai)
    problems.push_back(format_text("model.class_embedding = \"{}\" (must be none or table)",
                                   model.class_embedding));
  for (const auto& [key, is_list] :
       {std::pair{"model.blocks_per_level", model.blocks_per_level.is_list()},
        {"model.downsample", model.downsample.is_list()},
        {"model.upsample", model.upsample.is_list()},
        {"model.attention_heads", model.attention_heads.is_list() && !has_transformers(model)}})
    if (is_list)
      problems.push_back(format_text("{} = {} (must be the same at every level)", key,
                                     value_text(find_field(key)->value(config))));
  for (const Requirement& requirement : requirements(layout)) {
    const FieldValue value = find_field(requirement.key)->value(config);
    if (value != requirement.value)
      problems.push_back(format_text("{} = {} (must be {})", requirement.key, value_text(value),
                                     value_text(requirement.value)));
  }
  if (!problems.empty())
    throw ConfigError(format_text("the layout of {} cannot represent this network:\n  {}",
                                  layout.scheme, join(problems, "\n  ")));
}

}  // namespace ddpm
