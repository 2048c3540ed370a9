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
  double activations = 0;     // elements; grow linearly
};

// The probe in progress on this thread; a RecordFunction callback cannot carry state of its own.
thread_local Probe* active_probe = nullptr;

double numel(const c10::IValue& value) { return static_cast<double>(value.toTensor().numel()); }

// Inputs are alive when an operator starts, outputs when it ends; this is what the end needs to
// know.
struct Convolution : at::ObserverContext {
  double macs_per_output = 0;
};

std::unique_ptr<at::ObserverContext> count_convolution(c10::ArrayRef<const c10::IValue> inputs) {
  // One product per weight of a filter and output element; transposed: per input element.
  const torch::Tensor weight = inputs[1].toTensor();
  const auto filter = static_cast<double>(weight.numel() / weight.size(0));
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

bool keeps_its_output(std::string_view name) {
  static const std::set<std::string_view> kKept = {
      "aten::linear",     "aten::convolution", "aten::scaled_dot_product_attention",
      "aten::group_norm", "aten::silu",        "aten::add",
      "aten::cat",        "aten::mul",         "aten::constant_pad_nd"};
  return kKept.contains(name);
}

void on_end(const at::RecordFunction& call, at::ObserverContext* context) {
  if (active_probe == nullptr || call.outputs().empty() || !call.outputs()[0].isTensor()) return;
  const double outputs = numel(call.outputs()[0]);
  if (const auto* convolution = dynamic_cast<const Convolution*>(context))
    active_probe->linear_macs += outputs * convolution->macs_per_output;
  if (keeps_its_output(call.name())) active_probe->activations += outputs;
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
  const bool narrows_early = config.width_change == "first_block";
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
  cost.inference_elements = count_inference_elements(config, height, width);
  return cost;
}

double training_state_bytes(const Cost& cost, bool bf16) {
  return static_cast<double>(cost.parameters) * (5 * 4 + (bf16 ? 2 * 2 : 0));
}

double training_memory_bytes(const Cost& cost, std::int64_t micro_batch, bool bf16) {
  const double element_bytes = bf16 ? 2 : 4;
  return training_state_bytes(cost, bf16) +
         cost.activation_elements * element_bytes * static_cast<double>(micro_batch);
}

double sampling_memory_bytes(const Cost& cost, std::int64_t batch, bool bf16) {
  // Measured on the CPU: the program with LibTorch; a mapped file beside the network twice while it
  // is read; afterwards that memory, kept for reuse, and feature maps with the gaps between them.
  constexpr double kProgram = 140 << 20, kGaps = 1.75;
  const double element_bytes = bf16 ? 2 : 4;
  const double weights = element_bytes * static_cast<double>(cost.parameters);
  const double maps = element_bytes * cost.inference_elements * static_cast<double>(batch);
  return kProgram + std::max(3 * weights, 2 * weights + kGaps * maps);
}

}  // namespace ddpm
