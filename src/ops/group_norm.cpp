#include "ddpm/ops/group_norm.h"

#include <torch/csrc/autograd/custom_function.h>

#include "ddpm/device/side_stream.h"
#include "ddpm/kernels/group_norm.h"
#include "ddpm/ops/dropout.h"
#include "kernels.h"

namespace ddpm::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void* mutable_data(const torch::Tensor& x) { return x.defined() ? x.data_ptr() : nullptr; }

// A new tensor like x, channels last; undefined if x is undefined.
torch::Tensor new_like(const torch::Tensor& x) {
  return x.defined() ? torch::empty_like(x, torch::MemoryFormat::ChannelsLast) : torch::Tensor();
}

kernels::GroupNormShape shape_of(const GroupNormInput& input, std::int64_t groups) {
  const std::int64_t first = input.x.size(1);
  return {.samples = input.x.size(0),
          .positions = input.x.size(2) * input.x.size(3),
          .channels = first + (input.skip.defined() ? input.skip.size(1) : 0),
          .first_channels = first,
          .groups = static_cast<int>(groups),
          .type = type_of(input.x)};
}

kernels::Dropout dropout_of(const GroupNormOptions& options) {
  if (!options.draw || options.dropout <= 0) return {};
  return {.threshold = dropout_threshold(options.dropout),
          .scale = static_cast<float>(1.0 / (1.0 - options.dropout)),
          .source = source_of(*options.draw)};
}

struct Statistics {
  torch::Tensor mean, rstd;  // [N,groups] float32
};

torch::Tensor forward_by_kernel(const GroupNormInput& input, const torch::Tensor& weight,
                                const torch::Tensor& bias, const GroupNormOptions& options,
                                Statistics& statistics) {
  const kernels::GroupNormShape shape = shape_of(input, options.groups);
  const torch::Tensor& x = input.x;
  const torch::Tensor y = torch::empty({x.size(0), shape.channels, x.size(2), x.size(3)},
                                       x.options(), torch::MemoryFormat::ChannelsLast);
  statistics.mean = workspace(shape.samples * options.groups, x);
  statistics.rstd = workspace(shape.samples * options.groups, x);
  const torch::Tensor scratch = workspace(kernels::group_norm_forward_workspace(shape), x);
  kernels::group_norm_forward(shape,
                              {.x1 = data(x),
                               .x2 = data(input.skip),
                               .shift = data(input.shift),
                               .shift_stride = input.shift.defined() ? input.shift.stride(0) : 0,
                               .gamma = data(weight),
                               .beta = data(bias),
                               .y = mutable_data(y),
                               .mean = statistics.mean.data_ptr<float>(),
                               .rstd = statistics.rstd.data_ptr<float>(),
                               .workspace = scratch.data_ptr<float>(),
                               .epsilon = static_cast<float>(options.epsilon),
                               .silu = options.silu,
                               .dropout = dropout_of(options)},
                              stream_of(x));
  return y;
}

// The inputs are returned as further outputs, so that this node receives all their gradients and
// adds them in its own backward pass.
class GroupNormFunction : public torch::autograd::Function<GroupNormFunction> {
 public:
  static variable_list forward(AutogradContext* context, const torch::Tensor& x,
                               const OptionalTensor& maybe_skip, const OptionalTensor& maybe_shift,
                               const torch::Tensor& weight, const torch::Tensor& bias,
                               const GroupNormOptions& options) {
    const torch::Tensor skip = value_of(maybe_skip), shift = value_of(maybe_shift);
    Statistics statistics;
    const torch::Tensor y = forward_by_kernel({x, skip, shift}, weight, bias, options, statistics);
    context->save_for_backward({x, skip, shift, weight, bias, statistics.mean, statistics.rstd,
                                options.draw ? options.draw->position : torch::Tensor()});
    context->saved_data["groups"] = options.groups;
    context->saved_data["silu"] = options.silu;
    context->saved_data["parameters_are_leaves"] = weight.is_leaf() && bias.is_leaf();
    context->saved_data["dropout"] = options.draw ? options.dropout : 0.0;
    if (options.draw) {
      context->saved_data["seed"] = static_cast<std::int64_t>(options.draw->key.seed);
      context->saved_data["stream"] = static_cast<std::int64_t>(options.draw->key.stream);
    }
    context->set_materialize_grads(false);
    if (skip.defined()) return {y, x, skip};
    return {y, x};
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const GroupNormInput input{saved[0], saved[1], saved[2]};
    const torch::Tensor& weight = saved[3];
    const torch::Tensor& bias = saved[4];
    const kernels::GroupNormShape shape = shape_of(input, context->saved_data["groups"].toInt());
    const torch::Tensor dy = channels_last(gradients[0]);
    const auto residual = [&](std::size_t i) {
      return i < gradients.size() && gradients[i].defined() ? channels_last(gradients[i])
                                                            : torch::Tensor();
    };
    const torch::Tensor residual1 = residual(1), residual2 = residual(2);
    const torch::Tensor dx = new_like(input.x), dskip = new_like(input.skip);
    const torch::Tensor dshift =
        input.shift.defined() ? torch::empty_like(input.shift, torch::MemoryFormat::Contiguous)
                              : torch::Tensor();
    const torch::Tensor dweight = torch::empty_like(weight), dbias = torch::empty_like(bias);
    const torch::Tensor scratch = workspace(kernels::group_norm_backward_workspace(shape), input.x);
    kernels::group_norm_backward(shape,
                                 {.dy = data(dy),
                                  .x1 = data(input.x),
                                  .x2 = data(input.skip),
                                  .shift = data(input.shift),
                                  .shift_stride = input.shift.defined() ? input.shift.stride(0) : 0,
                                  .gamma = data(weight),
                                  .beta = data(bias),
                                  .mean = saved[5].const_data_ptr<float>(),
                                  .rstd = saved[6].const_data_ptr<float>(),
                                  .residual1 = data(residual1),
                                  .residual2 = data(residual2),
                                  .dx1 = mutable_data(dx),
                                  .dx2 = mutable_data(dskip),
                                  .dshift = mutable_data(dshift),
                                  .workspace = scratch.data_ptr<float>(),
                                  .silu = context->saved_data["silu"].toBool(),
                                  .dropout = saved_dropout(*context, saved[7])},
                                 stream_of(input.x));
    const auto sum_samples = [&] {
      kernels::group_norm_parameter_gradients(shape, scratch.const_data_ptr<float>(),
                                              mutable_data(dweight), mutable_data(dbias),
                                              stream_of(input.x));
    };
    if (context->saved_data["parameters_are_leaves"].toBool())
      run_aside({scratch}, sum_samples);
    else
      sum_samples();
    return {dx, dskip, dshift, dweight, dbias, torch::Tensor()};
  }

 private:
  static kernels::Dropout saved_dropout(AutogradContext& context, const torch::Tensor& position) {
    const double p = context.saved_data["dropout"].toDouble();
    if (p <= 0) return {};
    GroupNormOptions options{.dropout = p};
    options.draw =
        Draw(RandomKey{.seed = static_cast<std::uint64_t>(context.saved_data["seed"].toInt()),
                       .stream = static_cast<RandomStream>(context.saved_data["stream"].toInt())},
             position);
    return dropout_of(options);
  }
};

bool kernel_takes(const GroupNormInput& input, std::int64_t groups) {
  return use_kernels(input.x) && kernels::group_norm_supported(shape_of(input, groups));
}

}  // namespace

GroupNormOutput group_norm(const GroupNormInput& input, const torch::Tensor& weight,
                           const torch::Tensor& bias, const GroupNormOptions& options) {
  if (!kernel_takes(input, options.groups))
    return reference::group_norm(input, weight, bias, options);
  const torch::Tensor x = channels_last(input.x);
  const torch::Tensor skip = input.skip.defined() ? channels_last(input.skip) : input.skip;
  if (!torch::GradMode::is_enabled()) {
    Statistics statistics;
    return {forward_by_kernel({x, skip, input.shift}, weight, bias, options, statistics), x, skip};
  }
  const variable_list outputs =
      GroupNormFunction::apply(x, maybe(skip), maybe(input.shift), weight, bias, options);
  return {outputs[0], outputs[1], outputs.size() > 2 ? outputs[2] : torch::Tensor()};
}

namespace reference {

GroupNormOutput group_norm(const GroupNormInput& input, const torch::Tensor& weight,
                           const torch::Tensor& bias, const GroupNormOptions& options) {
  const torch::Tensor x = input.skip.defined() ? torch::cat({input.x, input.skip}, 1) : input.x;
  // As in the kernels, values between the operations are not rounded to bfloat16.
  const torch::Dtype type = x.scalar_type();
  const auto widen = [](const torch::Tensor& t) {
    return t.scalar_type() == torch::kBFloat16 ? t.to(torch::kFloat32) : t;
  };
  torch::Tensor y = widen(x);
  if (input.shift.defined()) y = y + widen(input.shift).unsqueeze(2).unsqueeze(3);
  y = torch::group_norm(y, options.groups, widen(weight), widen(bias), options.epsilon);
  if (options.silu) y = torch::silu(y);
  if (options.draw) y = ops::dropout(y, options.dropout, *options.draw);
  return {y.to(type), x, {}};
}

}  // namespace reference

}  // namespace ddpm::ops
