#include "ddpm/architecture/unet_graph.h"

#include <utility>
#include <vector>

#include "ddpm/base/format.h"
#include "ddpm/config/unet_plan.h"

namespace ddpm {
namespace {

class Builder {
 public:
  Builder(const ModelConfig& model, const UNetPlan& plan) : model_(model), plan_(plan) {}

  LayerGraph build() {
    std::size_t h = graph_.add({.name = "image", .kind = LayerKind::kInput, .inputs = {}});
    h = graph_.add(same_convolution("conv_in", h, 3));
    skips_ = {h};
    for (const BlockPlan& block : plan_.blocks) {
      h = apply(block, h);
      if (block.way == Way::kDown) skips_.push_back(h);
    }
    h = global("norm_out", h, "group norm");
    graph_.add(same_convolution("conv_out", h, 3));
    return std::move(graph_);
  }

 private:
  static std::string name_of_block(const BlockPlan& block) {
    switch (block.way) {
      case Way::kDown:
        return format_text("down.{}.{}", block.level, block.index);
      case Way::kMiddle:
        return format_text("middle.{}", block.index);
      case Way::kUp:
        return format_text("up.{}.{}", block.level, block.index);
    }
    return "";
  }

  std::size_t inner(Layer layer) {
    layer.inner = true;
    return graph_.add(std::move(layer));
  }
  std::size_t global(const std::string& name, std::size_t x, const std::string& note) {
    return inner({.name = name, .kind = LayerKind::kGlobal, .inputs = {x}, .note = note});
  }
  std::size_t convolution(const std::string& name, std::size_t x) {
    return inner(same_convolution(name, x, 3));
  }

  std::size_t apply(const BlockPlan& block, std::size_t h) {
    const std::string name = name_of_block(block);
    if (block.is_residual())
      h = residual(block, name, h);
    else
      h = block.way == Way::kDown ? downsample(name, h) : upsample(block, name, h);
    if (block.heads > 0) h = attention(block, name, h);
    graph_.layers.back().name = name;
    graph_.layers.back().inner = false;
    return h;
  }

  std::size_t residual(const BlockPlan& block, const std::string& name, std::size_t x) {
    if (block.skip > 0) {
      x = inner({.name = name + " skip", .kind = LayerKind::kConcat, .inputs = {x, skips_.back()}});
      skips_.pop_back();
    }
    std::size_t h = global(name + " norm 1", x, "group norm");
    if (block.resampling == Resampling::kResidual) {
      h = resample(block.way, name + " resampled", h);
      x = resample(block.way, name + " resampled shortcut", x);
    }
    h = convolution(name + " conv 1", h);
    h = global(name + " norm 2", h, "group norm");
    h = convolution(name + " conv 2", h);
    return inner({.name = name + " sum", .kind = LayerKind::kAdd, .inputs = {h, x}});
  }

  // Means of two pixels, or pixels repeated.
  std::size_t resample(Way way, const std::string& name, std::size_t x) {
    return inner({.name = name,
                  .kind = way == Way::kDown ? LayerKind::kConvolution : LayerKind::kNearest,
                  .taps = {.kernel = 2, .stride = 2},
                  .inputs = {x}});
  }

  std::size_t attention(const BlockPlan& block, const std::string& name, std::size_t x) {
    const bool has_norm =
        block.way != Way::kMiddle || model_.middle_attention == MiddleAttention::kWithNorm;
    // labml's network has a norm there, but does not apply it.
    const bool normed =
        block.depth > 0 || (has_norm && model_.attention_kind != AttentionKind::kFused);
    std::size_t h = normed ? global(name + " attention norm", x, "group norm") : x;
    // A transformer without self-attention computes each pixel alone.
    if (!block.cross_only)
      h = global(name + " attention", h, block.depth > 0 ? "transformer" : "attention");
    return inner({.name = name + " attention sum", .kind = LayerKind::kAdd, .inputs = {h, x}});
  }

  std::size_t downsample(const std::string& name, std::size_t x) {
    const bool symmetric = model_.downsample_padding == DownsamplePadding::kSymmetric;
    return inner({.name = name,
                  .kind = LayerKind::kConvolution,
                  .taps = {.kernel = 3, .stride = 2, .padding = symmetric ? 1 : 0},
                  .padding_after = 1,
                  .inputs = {x}});
  }

  std::size_t upsample(const BlockPlan& block, const std::string& name, std::size_t x) {
    if (block.resampling == Resampling::kTransposed)
      return inner({.name = name,
                    .kind = LayerKind::kTransposed,
                    .taps = {.kernel = 4, .stride = 2, .padding = 1},
                    .padding_after = 1,
                    .inputs = {x}});
    return convolution(name, resample(Way::kUp, name + " repeated", x));
  }

  const ModelConfig& model_;
  const UNetPlan& plan_;
  LayerGraph graph_;
  std::vector<std::size_t> skips_;  // results kept for the way up
};

}  // namespace

NetworkGraph unet_graph(const ModelConfig& model, std::int64_t height, std::int64_t width) {
  constexpr std::int64_t kAnyChannels = 3;  // the taps do not depend on them
  const LayerGraph graph = Builder(model, unet_plan(model, kAnyChannels)).build();
  NetworkGraph network{
      .network = "UNet", .input_unit = "pixel", .output_unit = "pixel", .axes = {}};
  if (height == width)
    network.axes = {{.names = {"height", "width"}, .graph = graph, .length = height}};
  else
    network.axes = {{.names = {"height"}, .graph = graph, .length = height},
                    {.names = {"width"}, .graph = graph, .length = width}};
  return network;
}

}  // namespace ddpm
