#include "ddpm/architecture/cost.h"

#include <algorithm>

#include "ddpm/config/unet_plan.h"
#include "ddpm/config/validate.h"

namespace ddpm {
namespace {

// The pixels of a level. Odd sides are rounded up when they are halved.
double pixels_of(std::int64_t height, std::int64_t width, std::int64_t level) {
  const std::int64_t round = (std::int64_t{1} << level) - 1;
  return static_cast<double>(((height + round) >> level) * ((width + round) >> level));
}

// Adds up the cost of one evaluation layer by layer. LibTorch's operators keep `kept` elements for
// the backward pass, the kernels `fused`.
struct Tally {
  std::int64_t parameters = 0, tensors = 0;
  double macs = 0, kept = 0, fused = 0;

  // Inputs of layers are kept by both; maps between layers only by LibTorch's operators.
  void keep_layer(double elements) {
    kept += elements;
    fused += elements;
  }
  void keep_between(double elements) { kept += elements; }

  void tensor(std::int64_t elements) {
    parameters += elements;
    ++tensors;
  }
  void filters(std::int64_t in, std::int64_t out, std::int64_t taps) {
    tensor(taps * in * out);
    tensor(out);
  }
  // `outputs`: pixels of the result.
  void convolution(std::int64_t in, std::int64_t out, std::int64_t taps, double outputs) {
    filters(in, out, taps);
    macs += outputs * static_cast<double>(taps * in * out);
    keep_layer(outputs * static_cast<double>(out));
  }
  // A layer for the time or the class, one vector per image; its small maps are not counted.
  void linear(std::int64_t in, std::int64_t out) {
    filters(in, out, 1);
    macs += static_cast<double>(in * out);
  }
  // A layer without bias for tokens, of which there are `inputs`.
  void projection(std::int64_t in, std::int64_t out, double inputs) {
    tensor(in * out);
    macs += inputs * static_cast<double>(in * out);
  }
  void norm_parameters(std::int64_t channels) {
    tensor(channels);
    tensor(channels);
  }
  void norm(std::int64_t channels, double pixels) {
    norm_parameters(channels);
    keep_layer(pixels * static_cast<double>(channels));
  }
};

// Counts one network on images of one size.
class Counter {
 public:
  Counter(const ModelConfig& model, const UNetPlan& plan, std::int64_t height, std::int64_t width)
      : model_(model), plan_(plan), height_(height), width_(width) {}

  Tally count() {
    const auto pixels = static_cast<double>(height_ * width_);
    if (model_.center_input) tally_.keep_between(pixels * static_cast<double>(plan_.in));
    tally_.convolution(plan_.in, plan_.first, 9, pixels);
    embeddings();
    for (const BlockPlan& block : plan_.blocks) {
      if (block.is_residual())
        residual(block);
      else if (block.way == Way::kDown)
        downsample(block);
      else
        upsample(block);
      if (block.depth > 0)
        transformer(block);
      else if (block.heads > 0)
        attention(block);
    }
    tally_.norm(plan_.last, pixels);
    tally_.keep_between(pixels * static_cast<double>(plan_.last));  // SiLU
    tally_.convolution(plan_.last, plan_.out, 9, pixels);
    return tally_;
  }

 private:
  double pixels(std::int64_t level) const { return pixels_of(height_, width_, level); }
  double pixels_after(const BlockPlan& block) const {
    if (block.resampling == Resampling::kNone) return pixels(block.level);
    return pixels(block.way == Way::kDown ? block.level + 1 : block.level - 1);
  }
  // The pixels with one more row and column of zeros.
  double padded_pixels(std::int64_t level) const {
    return static_cast<double>(((height_ >> level) + 1) * ((width_ >> level) + 1));
  }

  void embeddings() {
    if (model_.time_embedding == TimeEmbeddingKind::kLearned)
      tally_.tensor(model_.time_table * model_.base_width);
    if (model_.time_embedding == TimeEmbeddingKind::kFourier) tally_.tensor(model_.base_width);
    vector_layers(plan_.time_features);
    if (model_.class_embedding == ClassEmbeddingKind::kTable)
      tally_.tensor(class_rows(model_) * plan_.time);
    if (model_.class_embedding == ClassEmbeddingKind::kTimestep) vector_layers(plan_.time_features);
    if (plan_.vector > 0) vector_layers(plan_.vector);
  }
  void vector_layers(std::int64_t features) {
    tally_.linear(features, plan_.time);
    tally_.linear(plan_.time, plan_.time);
  }

  void residual(const BlockPlan& block) {
    const std::int64_t in = block.in + block.skip;
    const double before = pixels(block.level), after = pixels_after(block);
    const double inputs = before * static_cast<double>(in),
                 outputs = after * static_cast<double>(block.out);
    if (block.skip > 0) tally_.keep_between(inputs);  // the concatenation
    tally_.norm(in, before);
    tally_.keep_between(inputs);  // activated
    tally_.convolution(in, block.out, 9, after);
    tally_.linear(plan_.time, (model_.time_scale_shift ? 2 : 1) * block.out);
    tally_.norm(block.out, after);
    // The time is added before the norm, or scales and shifts after it.
    tally_.keep_between(outputs);
    if (model_.time_scale_shift) tally_.keep_between(outputs + static_cast<double>(block.out));
    tally_.keep_between(outputs);  // activated
    tally_.convolution(block.out, block.out, 9, after);
    if (in != block.out) tally_.convolution(in, block.out, 1, after);
    tally_.keep_between(outputs);  // the sum with the shortcut
  }

  void attention(const BlockPlan& block) {
    const std::int64_t channels = block.out;
    const double tokens = pixels_after(block), elements = tokens * static_cast<double>(channels);
    const bool fused = model_.attention_kind == AttentionKind::kFused;
    const bool has_norm =
        block.way != Way::kMiddle || model_.middle_attention == MiddleAttention::kWithNorm;
    if (has_norm && fused)
      tally_.norm_parameters(channels);  // labml's, which is never applied
    else if (has_norm)
      tally_.norm(channels, tokens);
    tally_.convolution(channels, 3 * channels, 1, tokens);  // q, k and v
    tally_.macs += 2 * elements * tokens;
    tally_.keep_layer(elements);
    tally_.convolution(channels, channels, 1, tokens);
    tally_.keep_between(elements);  // the sum with the input
  }

  // Maps of the context are not counted among those that are kept: they do not grow with the image.
  void transformer(const BlockPlan& block) {
    const std::int64_t channels = block.out;
    const double tokens = pixels_after(block), elements = tokens * static_cast<double>(channels);
    tally_.norm(channels, tokens);
    tally_.convolution(channels, channels, 1, tokens);
    for (std::int64_t i = 0; i < block.depth; ++i) {
      if (block.cross_only)
        cross_attention(channels, tokens);
      else
        self_attention(channels, tokens);
      cross_attention(channels, tokens);
      tally_.norm(channels, tokens);
      tally_.convolution(channels, 8 * channels, 1, tokens);
      tally_.keep_between(2 * 4 * elements);  // GELU of the gates, and its product with the values
      tally_.convolution(4 * channels, channels, 1, tokens);
      tally_.keep_between(elements);
    }
    tally_.convolution(channels, channels, 1, tokens);
    tally_.keep_between(elements);  // the sum with the input
  }
  void self_attention(std::int64_t channels, double tokens) {
    const double elements = tokens * static_cast<double>(channels);
    tally_.norm(channels, tokens);
    for (int part = 0; part < 3; ++part) tally_.projection(channels, channels, tokens);
    tally_.keep_layer(3 * elements);
    mix(channels, tokens, tokens);
  }
  void cross_attention(std::int64_t channels, double tokens) {
    constexpr auto kContext = static_cast<double>(kTextTokens);
    tally_.norm(channels, tokens);
    tally_.projection(channels, channels, tokens);
    tally_.keep_layer(tokens * static_cast<double>(channels));
    for (int part = 0; part < 2; ++part) tally_.projection(plan_.context, channels, kContext);
    mix(channels, tokens, kContext);
  }
  // Attention of tokens to others, the layer after it, and the sum with its input.
  void mix(std::int64_t channels, double tokens, double others) {
    const double elements = tokens * static_cast<double>(channels);
    tally_.macs += 2 * elements * others;
    tally_.keep_layer(elements);
    tally_.convolution(channels, channels, 1, tokens);
    tally_.keep_between(elements);
  }

  void downsample(const BlockPlan& block) {
    if (model_.downsample_padding == DownsamplePadding::kAsymmetric)
      tally_.keep_between(padded_pixels(block.level) * static_cast<double>(block.in));
    tally_.convolution(block.in, block.out, 9, pixels_after(block));
  }

  // Repeating pixels is folded into the convolution: four phases of 2x2 taps on a padded map. They
  // count as the nine taps of the convolution that they replace.
  void upsample(const BlockPlan& block) {
    const auto pairs = static_cast<double>(block.in * block.out);
    const double inputs = pixels(block.level), outputs = pixels_after(block);
    const auto out = static_cast<double>(block.out);
    if (block.resampling == Resampling::kTransposed) {
      tally_.filters(block.in, block.out, 16);
      tally_.macs += inputs * 16 * pairs;
      tally_.keep_layer(outputs * out);
      return;
    }
    tally_.filters(block.in, block.out, 9);
    tally_.macs += outputs * 9 * pairs;
    tally_.keep_layer(4 * padded_pixels(block.level) * out);
    tally_.keep_between(outputs * out);  // joined, with the bias
  }

  const ModelConfig& model_;
  const UNetPlan& plan_;
  std::int64_t height_, width_;
  Tally tally_;
};

// The most elements in memory while a residual block on the way up works: all features that are
// kept for later blocks, the block's input, its concatenation with the skip connection, the
// normalised concatenation, and four maps of the block's own.
// In a transformer they are its input, the tokens before the layer of gated units, and that layer's
// output, gates and product.
double count_inference_elements(const UNetPlan& plan, std::int64_t height, std::int64_t width) {
  constexpr std::int64_t kTransformerMaps = 18;
  const auto pixels = [&](std::int64_t level) { return pixels_of(height, width, level); };
  double waiting = pixels(0) * static_cast<double>(plan.first), most = 0;
  for (const BlockPlan& block : plan.blocks) {
    const bool resamples = block.resampling != Resampling::kNone;
    if (block.way == Way::kDown)
      waiting += pixels(block.level + (resamples ? 1 : 0)) * static_cast<double>(block.out);
    if (block.depth > 0)
      most = std::max(
          most, waiting + pixels(block.level) * static_cast<double>(kTransformerMaps * block.out));
    if (block.way != Way::kUp || resamples) continue;
    const double own = pixels(block.level);
    const std::int64_t alive = block.in + 2 * (block.in + block.skip) + 4 * block.out;
    most = std::max(most, waiting + own * static_cast<double>(alive));
    waiting -= own * static_cast<double>(block.skip);
  }
  return most;
}

}  // namespace

Cost estimate_cost(const ModelConfig& config, std::int64_t channels, std::int64_t height,
                   std::int64_t width) {
  check_image_size(config, height, width);
  const UNetPlan plan = unet_plan(config, channels);
  const Tally whole = Counter(config, plan, height, width).count();
  const std::int64_t side = std::int64_t{1} << (plan.levels - 1);
  const Tally smallest = Counter(config, plan, side, side).count();
  const double growth = static_cast<double>(height * width) / static_cast<double>(side * side);
  return {.parameters = whole.parameters,
          .tensors = whole.tensors,
          .forward_macs = whole.macs,
          .activation_elements = growth * smallest.kept,
          .fused_activation_elements = growth * smallest.fused,
          .inference_elements = count_inference_elements(plan, height, width)};
}

double training_state_bytes(const Cost& cost) {
  return 5.0 * sizeof(float) * static_cast<double>(cost.parameters);
}

double training_memory_on_gpu_bytes(const Cost& cost, std::int64_t micro_batch, bool bf16) {
  const double element_bytes = bf16 ? 2 : 4;
  return training_state_bytes(cost) +
         cost.fused_activation_elements * element_bytes * static_cast<double>(micro_batch);
}

double training_memory_on_cpu_bytes(const Cost& cost, std::int64_t micro_batch) {
  // Measured bytes for each parameter: the state; the copy that a save makes; and gradients before
  // they are gathered with transformed filters, whose memory is kept for reuse.
  constexpr double kParameter = 20 + 16 + 22;
  return kProgramBytes + kParameter * static_cast<double>(cost.parameters) +
         cost.activation_elements * sizeof(float) * static_cast<double>(micro_batch);
}

double sampling_memory_bytes(const Cost& cost, std::int64_t batch, bool bf16) {
  // Measured on the CPU: while a file is read, it is mapped beside two copies of the network; later
  // that memory is kept for reuse and holds feature maps with gaps between them.
  constexpr double kGaps = 1.75;
  const double element_bytes = bf16 ? 2 : 4;
  const double weights = element_bytes * static_cast<double>(cost.parameters);
  const double maps = element_bytes * cost.inference_elements * static_cast<double>(batch);
  return kProgramBytes + std::max(3 * weights, 2 * weights + kGaps * maps);
}

}  // namespace ddpm
