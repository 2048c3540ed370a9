#include "ddpm/interop/infer.h"

#include <algorithm>
#include <map>
#include <optional>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/config/fields.h"
#include "ddpm/config/unet_plan.h"
#include "ddpm/interop/names.h"

namespace ddpm {
namespace {

constexpr std::int64_t kMaxBlocks = 16, kMaxDepth = 64;
constexpr std::int64_t kSizeFeatures = 256;  // numbers of the sinusoid of a size, in XL's vector

using Shapes = std::map<std::string, std::vector<std::int64_t>>;

// Finds the blocks of a network from the names and shapes of its tensors.
class Inspector {
 public:
  Inspector(const TensorSet& set, NamingScheme scheme)
      : set_(set), scheme_(scheme), names_(UNetNames::of(scheme)) {
    for (const TensorView& view : set.tensors) shapes_.emplace(view.name, view.shape);
    find_structure();
  }

  NamingScheme scheme() const { return scheme_; }
  const UNetNames& names() const { return names_; }
  // Only levels, blocks, attention and resampling are set.
  const ModelConfig& structure() const { return structure_; }

  // The size of one dimension of a module's weight.
  std::int64_t size(const std::string& module, std::size_t dimension) const {
    const auto found = shapes_.find(module + ".weight");
    if (found == shapes_.end() || found->second.size() <= dimension || found->second[dimension] < 1)
      throw CheckpointError(format_text("{}: tensor '{}.weight' is missing or has a wrong shape",
                                        set_.path.string(), module));
    return found->second[dimension];
  }
  bool has(const std::string& module) const { return shapes_.contains(module + ".weight"); }
  std::size_t rank(const std::string& module) const {
    return shapes_.at(module + ".weight").size();
  }
  // The paths of all attentions, transformers or not, with the levels that they are in.
  struct FoundAttention {
    std::string path;
    std::int64_t level;
    std::int64_t depth;  // blocks of a transformer; 0: an attention block
    bool middle;
  };
  const std::vector<FoundAttention>& attentions() const { return attentions_; }
  std::string first_time_layer() const { return names_.time_embedding + "." + names_.time_linear1; }
  const std::string& first_block() const { return blocks_.front().block; }

  // The output channels of the first block of each level.
  std::vector<std::int64_t> widths() const {
    std::vector<std::int64_t> widths;
    for (std::size_t i = 0; i < blocks_.size(); ++i)
      if (begins_level(plan_.blocks[i])) widths.push_back(size(conv1(blocks_[i]), 0));
    return widths;
  }

 private:
  static bool begins_level(const BlockPlan& block) {
    return block.way == Way::kDown && block.index == 0;
  }
  std::string conv1(const BlockNames& block) const { return block.block + "." + names_.res.conv1; }

  void set_structure(const ModelConfig& structure) {
    structure_ = structure;
    plan_ = unet_plan(structure, /*channels=*/1);
    blocks_ = block_names(plan_, names_);
  }

  void find_structure() {
    for (std::int64_t levels = 1; levels <= static_cast<std::int64_t>(kMaxLevels); ++levels)
      for (std::int64_t blocks = 1; blocks <= kMaxBlocks; ++blocks) {
        ModelConfig structure;
        structure.width_multipliers.assign(static_cast<std::size_t>(levels), 1);
        structure.attention.assign(static_cast<std::size_t>(levels), false);
        structure.blocks_per_level = blocks;
        set_structure(structure);
        if (fits()) return find_attention();
      }
    throw CheckpointError(
        format_text("{}: the tensors have the names of {}, but they fit no number of levels and "
                    "blocks; the file is incomplete, or its network is not supported",
                    set_.path.string(), name_of(scheme_)));
  }

  // Whether there are exactly these levels and blocks. Also finds how the way down resamples, and
  // assumes the same for the way up.
  bool fits() {
    std::int64_t expected = 0;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const BlockPlan& block = plan_.blocks[i];
      const bool resamples = block.resampling != Resampling::kNone;
      const bool residual = has(conv1(blocks_[i]));
      if (!resamples && block.way != Way::kMiddle && !residual) return false;
      if (!resamples) ++expected;
      if (!resamples || block.way != Way::kDown) continue;
      if (!residual && !has(blocks_[i].block + "." + names_.downsample_conv)) return false;
      if (!residual) continue;
      structure_.downsample = Downsampling::kResnet;
      structure_.upsample = Upsampling::kResnet;
      expected += 2;
    }
    return count_blocks() == expected;
  }
  std::int64_t count_blocks() const {
    const std::string ending = "." + names_.res.conv1 + ".weight";
    return std::ranges::count_if(shapes_,
                                 [&](const auto& item) { return item.first.ends_with(ending); });
  }
  void find_attention() {
    ModelConfig structure = structure_;
    for (std::size_t i = 0; i < blocks_.size(); ++i)
      if (begins_level(plan_.blocks[i]))
        structure.attention[static_cast<std::size_t>(plan_.blocks[i].level)] =
            has(blocks_[i].attention + "." + names_.attention_parts.out);
    if (!has(names_.middle_attention + "." + names_.attention_parts.out))
      structure.middle_attention = MiddleAttention::kNone;
    set_structure(structure);
    for (std::size_t i = 0; i < blocks_.size(); ++i)
      if (plan_.blocks[i].heads > 0)
        attentions_.push_back({blocks_[i].attention, plan_.blocks[i].level,
                               depth_of(blocks_[i].attention),
                               plan_.blocks[i].way == Way::kMiddle});
  }
  std::int64_t depth_of(const std::string& attention) const {
    std::int64_t depth = 0;
    while (depth < kMaxDepth &&
           has(format_text("{}.transformer_blocks.{}.norm1", attention, depth)))
      ++depth;
    return depth;
  }

  const TensorSet& set_;
  NamingScheme scheme_;
  UNetNames names_;
  Shapes shapes_;
  ModelConfig structure_;
  UNetPlan plan_;
  std::vector<BlockNames> blocks_;
  std::vector<FoundAttention> attentions_;
};

// Sets what the transformers show. Those of a level have the same depth on both ways.
void read_transformers(const Inspector& in, ModelConfig& model) {
  std::vector<std::int64_t> depths(model.attention.size(), 0);
  std::vector<bool> cross_only(model.attention.size(), false);
  for (const Inspector::FoundAttention& attention : in.attentions()) {
    if (attention.depth == 0) continue;
    const std::string block = attention.path + ".transformer_blocks.0";
    model.context_width = in.size(block + ".attn2.to_k", 1);
    model.linear_projections = in.rank(attention.path + ".proj_in") == 2;
    const auto level = static_cast<std::size_t>(attention.level);
    if (attention.middle)
      model.middle_depth = attention.depth;
    else
      depths[level] = attention.depth;
    if (!attention.middle && in.size(block + ".attn1.to_k", 1) != in.size(block + ".attn1.to_q", 1))
      cross_only[level] = true;
  }
  if (model.context_width == 0) return;
  const auto has_attention = [&](std::size_t level) { return model.attention[level]; };
  std::int64_t common = 0;  // depth of all levels with attention; -1: they differ
  for (std::size_t level = 0; level < depths.size(); ++level)
    if (has_attention(level)) common = common == 0 || common == depths[level] ? depths[level] : -1;
  model.transformer_depth = common > 0 ? PerLevel<std::int64_t>(common) : PerLevel(depths);
  if (model.middle_depth == model.transformer_depth.values().back()) model.middle_depth = 0;
  if (std::ranges::count(cross_only, true) > 0) model.cross_only = cross_only;
}

bool has_transformers(const Inspector& in) {
  return std::ranges::any_of(in.attentions(), [](const auto& found) { return found.depth > 0; });
}

// Sets what the shapes show.
void read_shapes(const Inspector& in, Config& config) {
  const UNetNames& names = in.names();
  ModelConfig& model = config.model;
  config.data.channels = in.size(names.conv_in, 1);
  const std::int64_t out = in.size(names.conv_out, 0);
  const bool openai = in.scheme() == NamingScheme::kOpenai;
  const bool learned = out == 2 * config.data.channels && openai;
  // More inputs than outputs: what follows the image, as in networks for inpainting.
  const std::int64_t all = config.data.channels;
  const bool follows = out < all && openai && has_transformers(in);
  if (follows) config.data.channels = out;
  if (out != config.data.channels && !learned)
    throw CheckpointError(
        format_text("the network has {} output channels for {} input channels; only networks of "
                    "OpenAI may have twice as many, for a learned variance",
                    out, config.data.channels));
  model = in.structure();
  if (follows) model.in_channels = all;
  read_transformers(in, model);
  model.predicts_variance = learned;
  if (learned) config.diffusion.variance = Variance::kLearnedRange;
  model.base_width = in.size(in.first_time_layer(), 1);
  const std::int64_t time_width = in.size(in.first_time_layer(), 0);
  model.time_width = time_width == 4 * model.base_width ? 0 : time_width;
  set_level_widths(model, in.widths(), in.size(names.conv_in, 0),
                   in.scheme() == NamingScheme::kLabml);
  const std::string& first = in.first_block();
  model.time_scale_shift =
      in.size(first + "." + names.res.time, 0) == 2 * in.size(first + "." + names.res.conv1, 0);
  if (const std::string vector = names.vector_embedding + "." + names.time_linear1;
      openai && in.has(vector))
    model.vector_width = in.size(vector, 1);
  if (openai && in.has(names.class_embedding)) {
    model.class_embedding = ClassEmbeddingKind::kTable;
    model.classes = in.size(names.class_embedding, 0);
  }
}

// Sets what openai and pytorch_ddpm have in common where they differ from the defaults, which are
// Ho's.
void set_pytorch_switches(ModelConfig& model) {
  model.downsample_padding = DownsamplePadding::kSymmetric;
  model.time_frequencies = TimeFrequencies::kHalf;
  model.norm_epsilon = 1e-5;
}

void set_labml(InferredModel& result) {
  ModelConfig& model = result.config.model;
  model.names = NamingScheme::kLabml;
  model.attention_kind = AttentionKind::kFused;
  model.downsample_padding = DownsamplePadding::kSymmetric;
  model.upsample = Upsampling::kTransposed;
  model.width_change = WidthChange::kLastBlock;
  model.norm_epsilon = 1e-5;
  model.final_groups = 8;
  model.initialization = Initialization::kPytorch;
  result.config.data.range = PixelRange::kUnit;
  result.assumed = {"images in [0,1]", "32 groups, 8 in the last norm"};
}

// Stable Diffusion: heads are 8 where the projections of transformers are convolutions (version 1),
// else 64 wide. The process and the autoencoder's scale are the same in all versions.
void set_stable_diffusion(InferredModel& result) {
  ModelConfig& model = result.config.model;
  if (model.linear_projections)
    model.attention_head_width = 64;
  else
    model.attention_heads = 8;
  if (model.vector_width > 0) model.vector_time_width = kSizeFeatures;
  model.initialization = Initialization::kOpenai;
  DiffusionConfig& diffusion = result.config.diffusion;
  diffusion.schedule = BetaSchedule::kQuadratic;
  diffusion.beta_start = 0.00085;
  diffusion.beta_end = 0.012;
  diffusion.clip_x0 = false;
  result.assumed = {model.linear_projections
                        ? "attention heads of 64 channels (model.attention_head_width)"
                        : "8 attention heads (model.attention_heads)",
                    "predictions of the noise (diffusion.prediction_type)",
                    "a schedule of 1000 steps, the roots of beta linear from 0.00085 to 0.012"};
}

void set_openai(InferredModel& result) {
  ModelConfig& model = result.config.model;
  set_pytorch_switches(model);
  model.time_order = TimeOrder::kCosSin;
  if (model.context_width > 0) return set_stable_diffusion(result);
  model.attention_heads = 4;
  result.assumed = {"4 attention heads (model.attention_heads, model.attention_head_width)",
                    "q, k and v stored head by head, the older order (model.qkv_order)",
                    "a linear schedule of 1000 steps"};
  if (model.predicts_variance) result.assumed.emplace_back("a variance of kind learned_range");
}

void set_switches(InferredModel& result) {
  ModelConfig& model = result.config.model;
  model.dropout = 0;
  switch (result.layout.scheme) {
    case NamingScheme::kLabml:
      return set_labml(result);
    case NamingScheme::kOpenai:
      return set_openai(result);
    case NamingScheme::kPytorchDdpm:
      set_pytorch_switches(model);
      result.assumed = {"a linear schedule of 1000 steps", "one attention head"};
      return;
    case NamingScheme::kHo:
      result.assumed = {"a linear schedule of 1000 steps", "one attention head",
                        "group norms with epsilon 1e-6", "padding at the right and the bottom"};
      return;
    case NamingScheme::kDiffusers:  // infer_model() refuses such files
      return;
  }
}

}  // namespace

std::optional<NamingScheme> detect_scheme(const TensorSet& set) {
  for (const NamingScheme scheme : kChoices<NamingScheme>) {
    const UNetNames names = UNetNames::of(scheme);
    const std::string time = names.time_embedding + "." + names.time_linear1 + ".weight";
    if (set.find(time) != nullptr && set.find(names.conv_in + ".weight") != nullptr) return scheme;
  }
  return std::nullopt;
}

std::string describe_other_network(const TensorSet& set) {
  const auto any_contains = [&](const char* part) {
    return std::ranges::any_of(set.tensors, [&](const TensorView& view) {
      return view.name.find(part) != std::string::npos;
    });
  };
  if (any_contains("init_conv.weight") && any_contains("mid_block1.block1.proj.weight"))
    return "a Unet of lucidrains' denoising-diffusion-pytorch, which is not supported: its "
           "blocks normalise after the convolutions, by root mean square, and its attention is "
           "linear";
  if (any_contains("input_hint_block.") || any_contains("controlnet_cond_embedding."))
    return "a ControlNet, which is an addition to a network of Stable Diffusion and cannot be used "
           "alone";
  if (any_contains("conv_pre.bias") && any_contains("resblocks.0."))
    return "a generator of HiFi-GAN, which ddpm vocode takes";
  return "";
}

InferredModel infer_model(const TensorSet& set) {
  const std::optional<NamingScheme> scheme = detect_scheme(set);
  if (const std::string other = describe_other_network(set); !other.empty())
    throw CheckpointError(set.path.string() + ": " + other);
  if (!scheme)
    throw CheckpointError(set.path.string() +
                          ": its tensor names belong to no known network (diffusers, labml, ho, "
                          "pytorch_ddpm, openai, CompVis)");
  if (scheme == NamingScheme::kDiffusers)
    throw CheckpointError(set.path.string() +
                          ": its tensors have the names of diffusers, but do not show settings "
                          "such as norm_eps and attention_head_dim; put its config.json beside "
                          "the file");
  InferredModel result;
  result.layout.scheme = *scheme;
  try {
    read_shapes(Inspector(set, *scheme), result.config);
  } catch (const CheckpointError& error) {
    const std::string message = error.what(), path = set.path.string();
    throw CheckpointError(message.starts_with(path) ? message : path + ": " + message);
  }
  set_switches(result);
  return result;
}

}  // namespace ddpm
