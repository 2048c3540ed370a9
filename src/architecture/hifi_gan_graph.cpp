#include "ddpm/architecture/hifi_gan_graph.h"

#include "ddpm/base/format.h"

namespace ddpm {
namespace {

class Builder {
 public:
  explicit Builder(const HifiGanConfig& config) : config_(config) {}

  LayerGraph build() {
    constexpr std::int64_t kKernel = 7;  // of the first and the last convolution
    std::size_t x = graph_.add({.name = "mel", .kind = LayerKind::kInput, .inputs = {}});
    x = graph_.add(same_convolution("conv_pre", x, kKernel));
    for (std::size_t stage = 0; stage < config_.upsample_rates.size(); ++stage)
      x = branches(stage, upsample(stage, x));
    graph_.add(same_convolution("conv_post", x, kKernel));
    return std::move(graph_);
  }

 private:
  std::size_t inner(Layer layer) {
    layer.inner = true;
    return graph_.add(std::move(layer));
  }

  std::size_t upsample(std::size_t stage, std::size_t x) {
    const std::int64_t kernel = config_.upsample_kernel_sizes[stage];
    const std::int64_t rate = config_.upsample_rates[stage];
    const std::int64_t padding = (kernel - rate) / 2;
    return graph_.add({.name = format_text("ups.{}", stage),
                       .kind = LayerKind::kTransposed,
                       .taps = {.kernel = kernel, .stride = rate, .padding = padding},
                       .padding_after = padding,
                       .inputs = {x}});
  }

  // The mean of the residual blocks that work side by side.
  std::size_t branches(std::size_t stage, std::size_t x) {
    Layer mean{.name = format_text("mrf.{}", stage), .kind = LayerKind::kAdd, .inputs = {}};
    const std::size_t count = config_.resblock_kernel_sizes.size();
    for (std::size_t branch = 0; branch < count; ++branch)
      mean.inputs.push_back(
          residual_block(format_text("resblocks.{}", stage * count + branch), branch, x));
    return graph_.add(std::move(mean));
  }

  // Each dilation adds the result of one convolution, or of two of which the second is not dilated.
  std::size_t residual_block(const std::string& name, std::size_t branch, std::size_t x) {
    const bool two = config_.resblock == HifiGanBlockKind::kTwoConvolutions;
    const std::int64_t kernel = config_.resblock_kernel_sizes[branch];
    const std::vector<std::int64_t>& dilations = config_.resblock_dilation_sizes[branch];
    for (std::size_t i = 0; i < dilations.size(); ++i) {
      const std::string list = two ? "convs1" : "convs";
      std::size_t h =
          inner(same_convolution(format_text("{}.{}.{}", name, list, i), x, kernel, dilations[i]));
      if (two) h = inner(same_convolution(format_text("{}.convs2.{}", name, i), h, kernel));
      const bool last = i + 1 == dilations.size();
      x = inner({.name = last ? name : format_text("{} sum {}", name, i),
                 .kind = LayerKind::kAdd,
                 .inputs = {x, h}});
    }
    return x;
  }

  const HifiGanConfig& config_;
  LayerGraph graph_;
};

}  // namespace

NetworkGraph hifi_gan_graph(const HifiGanConfig& config) {
  const std::int64_t hop = hop_of(config);
  return {
      .network = "HiFi-GAN generator",
      .input_unit = "frame",
      .output_unit = "sample",
      .inputs_per_second = static_cast<double>(config.mel.sampling_rate) / static_cast<double>(hop),
      .axes = {{.names = {"time"},
                .graph = Builder(config).build(),
                .length = config.segment_size / hop}}};
}

}  // namespace ddpm
