#include "ddpm/nn/cost.h"

#include <ATen/record_function.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "ddpm/config/validate.h"
#include "ddpm/config/widths.h"
#include "ddpm/nn/unet.h"

namespace ddpm {
namespace {

// What one evaluation of a small image computes, by how it grows with the number of pixels.
struct Probe {
  double constant_macs = 0;   // of the time embedding
  double linear_macs = 0;     // convolutions, and linear layers over pixels
  double quadratic_macs = 0;  // attention between all pairs of pixels
  double activations = 0;     // elements of maps that are kept; grow linearly
  double fused = 0;           // those that the kernels keep
};

// The probe in progress on this thread; a RecordFunction callback cannot carry state of its own.
thread_local Probe* active_probe = nullptr;

constexpr double kProgram = 140 << 20;  // bytes of a process with LibTorch, measured

double numel(const c10::IValue& value) { return static_cast<double>(value.toTensor().numel()); }

// Inputs are alive when an operator starts, outputs when it ends; this is what the end needs to
// know.
struct Convolution : at::ObserverContext {
  double macs_per_output = 0;
};

std::unique_ptr<at::ObserverContext> count_convolution(c10::ArrayRef<const c10::IValue> inputs) {
  // One product per weight of a filter and output element; transposed: per input element.
  const torch::Tensor weight = inputs[1].toTensor();
  const auto filter = static_cast<double>(weight.numel()) / static_cast<double>(weight.size(0));
  const bool transposed = inputs[6].toBool();
  // Upsampling folded into 2x2 phases counts as what it stands for: a 3x3 at twice the side.
  if (weight.size(2) == 2) {
    active_probe->linear_macs += numel(inputs[0]) * 9 * static_cast<double>(weight.size(0));
    return nullptr;
  }
  if (transposed) active_probe->linear_macs += numel(inputs[0]) * filter;
  auto context = std::make_unique<Convolution>();
  context->macs_per_output = transposed ? 0 : filter;
  return context;
}

std::unique_ptr<at::ObserverContext> on_start(const at::RecordFunction& call) {
  if (active_probe == nullptr) return nullptr;
  const std::string_view name = call.name();
  const auto inputs = call.inputs();
  if (name == "aten::convolution") return count_convolution(inputs);
  if (name == "aten::linear") {
    const bool has_pixels = inputs[0].toTensor().dim() > 2;  // [N,tokens,C]; times are [N,C]
    (has_pixels ? active_probe->linear_macs : active_probe->constant_macs) +=
        numel(inputs[0]) * static_cast<double>(inputs[1].toTensor().size(0));
  } else if (name == "aten::scaled_dot_product_attention") {
    active_probe->quadratic_macs +=
        2 * numel(inputs[0]) * static_cast<double>(inputs[1].toTensor().size(-2));
  }
  return nullptr;
}

void count_activations(std::string_view name, const torch::Tensor& output) {
  static const std::set<std::string_view> kLayers = {"aten::linear", "aten::convolution",
                                                     "aten::scaled_dot_product_attention",
                                                     "aten::group_norm"};
  static const std::set<std::string_view> kBetween = {"aten::silu", "aten::add", "aten::cat",
                                                      "aten::mul", "aten::constant_pad_nd"};
  // A map or tokens of the one image; filters and embeddings do not grow with it.
  if (output.dim() < 3 || output.size(0) != 1) return;
  const auto elements = static_cast<double>(output.numel());
  const bool is_layer = kLayers.contains(name);
  if (is_layer) active_probe->fused += elements;
  if (is_layer || kBetween.contains(name)) active_probe->activations += elements;
}

void on_end(const at::RecordFunction& call, at::ObserverContext* context) {
  if (active_probe == nullptr || call.outputs().empty() || !call.outputs()[0].isTensor()) return;
  const double outputs = numel(call.outputs()[0]);
  if (const auto* convolution = dynamic_cast<const Convolution*>(context))
    active_probe->linear_macs += outputs * convolution->macs_per_output;
  count_activations(call.name(), call.outputs()[0].toTensor());
}

class ProbeScope {
 public:
  explicit ProbeScope(Probe& probe)
      : handle_(at::addThreadLocalCallback(at::RecordFunctionCallback(on_start, on_end)
                                               .needsInputs(true)
                                               .needsOutputs(true)
                                               .scopes({at::RecordScope::FUNCTION}))) {
    active_probe = &probe;
  }
  ~ProbeScope() {
    active_probe = nullptr;
    at::removeCallback(handle_);
  }
  ProbeScope(const ProbeScope&) = delete;
  ProbeScope& operator=(const ProbeScope&) = delete;

 private:
  at::CallbackHandle handle_;
};

// What lives while a residual block of the way up works, at the level where that is most: all
// features that still wait, the block's input, its concatenation with the one that waited for it
// and what the norm makes of that, and four maps of its own.
double count_inference_elements(const ModelConfig& config, std::int64_t height,
                                std::int64_t width) {
  const std::vector<std::int64_t> levels = level_widths(config);
  const bool narrows_early = config.width_change == WidthChange::kFirstBlock;
  double pixels = static_cast<double>(height * width), waiting = 0, most = 0;
  for (std::size_t level = 0; level < levels.size(); ++level, pixels /= 4) {
    const auto own = static_cast<double>(levels[level]);
    const auto above = static_cast<double>(level > 0 ? levels[level - 1] : first_width(config));
    const bool lowest = level + 1 == levels.size();
    const auto below = static_cast<double>(levels[narrows_early && !lowest ? level + 1 : level]);
    waiting += pixels * (above + own * static_cast<double>(config.blocks_per_level));
    most = std::max(most, waiting + pixels * (below + 2 * (below + own) + 4 * own));
  }
  return most;
}

}  // namespace

Cost estimate_cost(const ModelConfig& config, std::int64_t channels, std::int64_t height,
                   std::int64_t width) {
  check_image_size(config, height, width);
  UNet net(config, channels);
  Cost cost;
  for (const torch::Tensor& parameter : net->parameters()) cost.parameters += parameter.numel();

  // The smallest image that the levels allow says all: layers grow with the pixels, attention with
  // their square.
  const std::int64_t side = std::int64_t{1} << (config.width_multipliers.size() - 1);
  torch::NoGradGuard no_grad;
  net->to(torch::kFloat64);  // plain convolutions, whatever shortcut there is for other types
  Probe probe;
  {
    const ProbeScope scope(probe);
    net->forward(torch::zeros({1, channels, side, side}, torch::kFloat64),
                 torch::zeros({1}, torch::kInt64), std::nullopt, zero_labels(config, 1));
  }
  const double growth = static_cast<double>(height * width) / static_cast<double>(side * side);
  cost.forward_macs =
      probe.constant_macs + growth * (probe.linear_macs + growth * probe.quadratic_macs);
  cost.activation_elements = growth * probe.activations;
  cost.fused_activation_elements = growth * probe.fused;
  cost.inference_elements = count_inference_elements(config, height, width);
  return cost;
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
  // Measured, for each parameter: the state; what a save copies; gradients before they are gathered
  // and transformed filters, whose memory is kept for reuse.
  constexpr double kParameter = 20 + 16 + 22;
  return kProgram + kParameter * static_cast<double>(cost.parameters) +
         cost.activation_elements * sizeof(float) * static_cast<double>(micro_batch);
}

double sampling_memory_bytes(const Cost& cost, std::int64_t batch, bool bf16) {
  // Measured on the CPU: a mapped file beside the network twice while it is read; afterwards that
  // memory, kept for reuse, and feature maps with the gaps between them.
  constexpr double kGaps = 1.75;
  const double element_bytes = bf16 ? 2 : 4;
  const double weights = element_bytes * static_cast<double>(cost.parameters);
  const double maps = element_bytes * cost.inference_elements * static_cast<double>(batch);
  return kProgram + std::max(3 * weights, 2 * weights + kGaps * maps);
}

}  // namespace ddpm
