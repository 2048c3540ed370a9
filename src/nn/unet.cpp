#include "ddpm/nn/unet.h"

#include "ddpm/device/side_stream.h"
#include "ddpm/ops/image_convolution.h"

namespace ddpm {
namespace {

torch::Tensor pop(std::vector<torch::Tensor>& stack) {
  torch::Tensor top = std::move(stack.back());
  stack.pop_back();
  return top;
}

torch::nn::Conv2d conv3x3(std::int64_t in, std::int64_t out) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 3).padding(1));
}

}  // namespace

torch::Tensor DownBlock::operator()(const torch::Tensor& x, const torch::Tensor& shift,
                                    const std::optional<ops::Draw>& dropout) {
  const torch::Tensor h = res(x, torch::Tensor(), shift, dropout);
  return attention.is_empty() ? h : attention(h);
}

torch::Tensor UpBlock::operator()(const torch::Tensor& x, const torch::Tensor& skip,
                                  const torch::Tensor& shift,
                                  const std::optional<ops::Draw>& dropout) {
  const torch::Tensor h = res(x, skip, shift, dropout);
  return attention.is_empty() ? h : attention(h);
}

torch::Tensor MiddleBlock::operator()(const torch::Tensor& x, const torch::Tensor& shift1,
                                      const torch::Tensor& shift2,
                                      const std::optional<ops::Draw>& dropout) {
  torch::Tensor h = res1(x, torch::Tensor(), shift1, dropout);
  if (!attention.is_empty()) h = attention(h);
  return res2(h, torch::Tensor(), shift2, dropout);
}

UNetImpl::UNetImpl(const ModelConfig& config, std::int64_t image_channels)
    : center_input_(config.center_input),
      time_scale_(config.time_scale),
      activation_(config.activation) {
  const auto levels = static_cast<std::int64_t>(config.width_multipliers.size());
  const UNetNames names = UNetNames::make(config.names, levels, config.blocks_per_level);

  conv_in_ = register_module(names.conv_in, conv3x3(image_channels, first_width(config)));
  time_features_ = register_module(names.time_features, TimeFeatures(config));
  time_embedding_ = register_module(
      names.time_embedding, TimeEmbedding(time_features_->width(), time_width(config), names));
  if (config.class_embedding != ClassEmbeddingKind::kNone)
    class_embedding_ =
        register_module(names.class_embedding, ClassEmbedding(config, time_features_, names));
  std::vector<std::int64_t> skip_widths = {first_width(config)};
  build_down(config, names, skip_widths);
  build_middle(config, names);
  build_up(config, names, skip_widths);

  const std::int64_t last_width = config.width_change == WidthChange::kLastBlock
                                      ? config.base_width
                                      : level_widths(config).front();
  norm_out_ =
      register_module(names.norm_out, Norm(last_width, config.final_groups, config.norm_epsilon));
  conv_out_ = register_module(
      names.conv_out, conv3x3(last_width, (config.predicts_variance ? 2 : 1) * image_channels));
}

void UNetImpl::build_down(const ModelConfig& config, const UNetNames& names,
                          std::vector<std::int64_t>& skip_widths) {
  const std::vector<std::int64_t> widths = level_widths(config);
  std::int64_t width = skip_widths.front();
  for (std::int64_t level = 0; level < names.levels; ++level) {
    const auto l = static_cast<std::size_t>(level);
    DownLevel part;
    for (std::int64_t block = 0; block < names.blocks; ++block) {
      DownBlock down{add_res(names.down_res(level, block), config, names, width, widths[l])};
      width = widths[l];
      if (config.attention[l])
        down.attention = add_attention(names.down_attention(level, block), config, names,
                                       {.channels = width, .groups = config.groups});
      part.blocks.push_back(std::move(down));
      skip_widths.push_back(width);
    }
    if (level + 1 < names.levels) {
      if (config.downsample == Downsampling::kResnet) {
        part.halve =
            add_res(names.downsample(level), config, names, width, width, 1, Resample::kHalve);
      } else {
        part.downsample = Downsample(width, config.downsample_padding);
        register_at(*this, names.downsample(level), part.downsample.ptr());
      }
      skip_widths.push_back(width);
    }
    down_.push_back(std::move(part));
  }
}

void UNetImpl::build_middle(const ModelConfig& config, const UNetNames& names) {
  if (!config.middle) return;
  const std::int64_t width = level_widths(config).back();
  const double scale = config.middle_scale;
  middle_.res1 = add_res(names.middle_res1, config, names, width, width, scale);
  if (config.middle_attention != MiddleAttention::kNone)
    middle_.attention =
        add_attention(names.middle_attention, config, names,
                      {.channels = width,
                       .groups = config.middle_groups > 0 ? config.middle_groups : config.groups,
                       .normed = config.middle_attention == MiddleAttention::kWithNorm,
                       .output_scale = scale});
  middle_.res2 = add_res(names.middle_res2, config, names, width, width, scale);
}

void UNetImpl::build_up(const ModelConfig& config, const UNetNames& names,
                        std::vector<std::int64_t>& skip_widths) {
  const std::vector<std::int64_t> widths = level_widths(config);
  std::int64_t width = widths.back();
  for (std::int64_t level = names.levels - 1; level >= 0; --level) {
    const auto l = static_cast<std::size_t>(level);
    const std::int64_t next_width = level > 0 ? widths[l - 1] : config.base_width;
    UpLevel part;
    for (std::int64_t block = 0; block <= names.blocks; ++block) {
      const bool narrows = config.width_change == WidthChange::kLastBlock && block == names.blocks;
      const std::int64_t out = narrows ? next_width : widths[l];
      UpBlock up{
          add_res(names.up_res(level, block), config, names, width + skip_widths.back(), out)};
      skip_widths.pop_back();
      width = out;
      if (config.attention[l])
        up.attention = add_attention(names.up_attention(level, block), config, names,
                                     {.channels = width, .groups = config.groups});
      part.blocks.push_back(std::move(up));
    }
    if (level > 0 && config.upsample == Upsampling::kResnet) {
      part.twice =
          add_res(names.upsample(level), config, names, width, width, 1, Resample::kDouble);
    } else if (level > 0) {
      part.upsample = Upsample(width, config.upsample == Upsampling::kTransposed);
      register_at(*this, names.upsample(level), part.upsample.ptr());
    }
    up_.push_back(std::move(part));
  }
}

ResBlock UNetImpl::add_res(const std::string& path, const ModelConfig& config,
                           const UNetNames& names, std::int64_t in, std::int64_t out,
                           double output_scale, Resample resample) {
  ResBlock res(ResBlockOptions{.in_channels = in,
                               .out_channels = out,
                               .time_channels = time_width(config),
                               .groups = config.groups,
                               .epsilon = config.norm_epsilon,
                               .activation = activation_,
                               .dropout = config.dropout,
                               .dropout_layer = static_cast<int>(res_blocks_.size()),
                               .scale_shift = config.time_scale_shift,
                               .output_scale = output_scale,
                               .resample = resample},
               names.res);
  register_at(*this, path, res.ptr());
  res_blocks_.push_back(res);
  return res;
}

// `options` says what differs between attentions of one network.
AttentionBlock UNetImpl::add_attention(const std::string& path, const ModelConfig& config,
                                       const UNetNames& names, const AttentionOptions& options) {
  const std::int64_t head_width =
      config.attention_head_width == 0 ? options.channels : config.attention_head_width;
  AttentionOptions all = options;
  all.heads = config.attention_heads > 0 ? config.attention_heads : options.channels / head_width;
  all.epsilon = config.norm_epsilon;
  all.fused = config.attention_kind == AttentionKind::kFused;
  AttentionBlock attention(all, names.attention_parts);
  register_at(*this, path, attention.ptr());
  attention_blocks_.push_back(attention);
  return attention;
}

torch::Tensor UNetImpl::embed(const torch::Tensor& t, const torch::Tensor& labels) {
  const torch::Tensor time =
      time_embedding_(time_features_(time_scale_ == 1 ? t : t * time_scale_));
  if (class_embedding_.is_empty()) return time;
  return time + class_embedding_(labels).to(time.scalar_type());
}

torch::Tensor UNetImpl::forward(const torch::Tensor& x, const torch::Tensor& t,
                                const std::optional<ops::Draw>& dropout,
                                const torch::Tensor& labels) {
  // Every block activates the embedding before its projection; once is enough.
  std::vector<torch::Tensor> shifts;
  const auto project = [&] {
    shifts = TimeProjections(res_blocks_).apply(activate(embed(t, labels), activation_));
  };
  // The first convolution can do without them; gradients, however, keep to one stream.
  if (torch::GradMode::is_enabled())
    project();
  else
    run_aside(labels.defined() ? std::vector{t, labels} : std::vector{t}, project);
  torch::Tensor h =
      ops::convolution_from_image(center_input_ ? 2 * x - 1 : x, conv_in_->weight, conv_in_->bias);

  join_side_stream(x.device());
  auto shift = shifts.begin();
  std::vector<torch::Tensor> skips = {h};
  for (DownLevel& level : down_) {
    for (DownBlock& block : level.blocks) skips.push_back(h = block(h, *shift++, dropout));
    if (!level.downsample.is_empty()) skips.push_back(h = level.downsample(h));
    if (!level.halve.is_empty())
      skips.push_back(h = level.halve(h, torch::Tensor(), *shift++, dropout));
  }
  if (!middle_.res1.is_empty()) {
    const torch::Tensor &shift1 = *shift++, &shift2 = *shift++;
    h = middle_(h, shift1, shift2, dropout);
  }
  for (UpLevel& level : up_) {
    for (UpBlock& block : level.blocks) h = block(h, pop(skips), *shift++, dropout);
    if (!level.upsample.is_empty()) h = level.upsample(h);
    if (!level.twice.is_empty()) h = level.twice(h, torch::Tensor(), *shift++, dropout);
  }
  h = norm_out_->forward({.x = h}, /*silu=*/true).y;
  h = ops::convolution_to_image(h, conv_out_->weight, conv_out_->bias).to(x.scalar_type());
  // Networks with these predict the score, up to a factor of the noise level, which t stands for.
  return random_frequencies().defined() ? h / t.to(h.scalar_type()).view({-1, 1, 1, 1}) : h;
}

std::vector<std::vector<torch::Tensor>> UNetImpl::joined_parameters() const {
  const TimeProjections times(res_blocks_);
  std::vector<std::vector<torch::Tensor>> lists = {times.weights, times.biases,
                                                   times.convolution_biases};
  for (const AttentionBlock& block : attention_blocks_)
    for (std::vector<torch::Tensor>& list : block->joined_parameters())
      lists.push_back(std::move(list));
  return lists;
}

std::vector<torch::Tensor> UNetImpl::last_layer_weights() {
  std::vector<torch::Tensor> weights = {conv_out_->weight};
  const auto add = [&](ResBlock& res, AttentionBlock& attention) {
    weights.push_back(res->last_layer()->weight);
    if (!attention.is_empty()) weights.push_back(attention->last_layer()->weight);
  };
  for (DownLevel& level : down_)
    for (DownBlock& block : level.blocks) add(block.res, block.attention);
  if (!middle_.res1.is_empty()) {
    add(middle_.res1, middle_.attention);
    weights.push_back(middle_.res2->last_layer()->weight);
  }
  for (UpLevel& level : up_)
    for (UpBlock& block : level.blocks) add(block.res, block.attention);
  for (DownLevel& level : down_)
    if (!level.halve.is_empty()) weights.push_back(level.halve->last_layer()->weight);
  for (UpLevel& level : up_)
    if (!level.twice.is_empty()) weights.push_back(level.twice->last_layer()->weight);
  return weights;
}

std::vector<torch::Tensor> UNetImpl::embedding_tables() const {
  std::vector<torch::Tensor> tables;
  if (time_features_->learned()) tables.push_back(time_features_->weight);
  if (!class_embedding_.is_empty() && class_embedding_->weight.defined())
    tables.push_back(class_embedding_->weight);
  return tables;
}

torch::Tensor UNetImpl::random_frequencies() const {
  return time_features_->learned() ? torch::Tensor() : time_features_->weight;
}

}  // namespace ddpm
