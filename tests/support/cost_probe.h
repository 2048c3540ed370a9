// Counts what an evaluation of a network costs by observing LibTorch's operators while it runs.
#pragma once

#include <ATen/record_function.h>
#include <torch/types.h>

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ddpm/config/unet_plan.h"
#include "ddpm/nn/bound_network.h"
#include "ddpm/nn/unet.h"

namespace ddpm::testing {

// The costs of one evaluation of a small image, sorted by their growth with the number of pixels.
struct Probe {
  double constant_macs = 0;            // the time embedding, and what is made of the context
  double linear_macs = 0;              // convolutions, and linear layers over pixels
  double quadratic_macs = 0;           // attention between all pairs of pixels
  double activations = 0;              // elements of maps that are kept; they grow linearly
  double fused = 0;                    // elements of maps that the kernels keep
  std::vector<std::string> open = {};  // operators under way, the innermost last
};

// The probe in progress on this thread; a RecordFunction callback cannot carry state of its own.
inline thread_local Probe* active_probe = nullptr;

inline double numel(const c10::IValue& value) {
  return static_cast<double>(value.toTensor().numel());
}

// An operator's inputs exist when it starts, its outputs when it ends. This holds what is computed
// from the inputs of a convolution until it ends.
struct Convolution : at::ObserverContext {
  double macs_per_output = 0;
};

inline std::unique_ptr<at::ObserverContext> count_convolution(
    c10::ArrayRef<const c10::IValue> inputs) {
  // A product for each weight of a filter and each output element; transposed: each input element.
  const torch::Tensor weight = inputs[1].toTensor();
  const auto filter = static_cast<double>(weight.numel()) / static_cast<double>(weight.size(0));
  const bool transposed = inputs[6].toBool();
  // Upsampling is done by 2x2 filters. It counts as a 3x3 convolution at twice the side.
  if (weight.size(2) == 2) {
    active_probe->linear_macs += numel(inputs[0]) * 9 * static_cast<double>(weight.size(0));
    return nullptr;
  }
  if (transposed) active_probe->linear_macs += numel(inputs[0]) * filter;
  auto context = std::make_unique<Convolution>();
  context->macs_per_output = transposed ? 0 : filter;
  return context;
}

// No image here has as many pixels as the context has tokens.
inline bool is_context(const torch::Tensor& x) { return x.dim() == 3 && x.size(1) == kTextTokens; }

inline std::unique_ptr<at::ObserverContext> on_start(const at::RecordFunction& call) {
  if (active_probe == nullptr) return nullptr;
  const std::string_view name = call.name();
  active_probe->open.emplace_back(name);
  const auto inputs = call.inputs();
  if (name == "aten::convolution") return count_convolution(inputs);
  if (name == "aten::linear") {
    const torch::Tensor x = inputs[0].toTensor();
    const bool has_pixels = x.dim() > 2 && !is_context(x);  // [N,tokens,C]; times are [N,C]
    (has_pixels ? active_probe->linear_macs : active_probe->constant_macs) +=
        numel(inputs[0]) * static_cast<double>(inputs[1].toTensor().size(0));
  } else if (name == "aten::scaled_dot_product_attention") {
    const bool cross = inputs[1].toTensor().size(-2) == kTextTokens;
    (cross ? active_probe->linear_macs : active_probe->quadratic_macs) +=
        2 * numel(inputs[0]) * static_cast<double>(inputs[1].toTensor().size(-2));
  }
  return nullptr;
}

inline void count_activations(std::string_view name, const torch::Tensor& output) {
  static const std::set<std::string_view> kLayers = {"aten::linear", "aten::convolution",
                                                     "aten::scaled_dot_product_attention",
                                                     "aten::group_norm", "aten::layer_norm"};
  static const std::set<std::string_view> kBetween = {
      "aten::silu", "aten::relu", "aten::gelu", "aten::mish",
      "aten::add",  "aten::cat",  "aten::mul",  "aten::constant_pad_nd"};
  // Counts only maps and tokens of the one image. Filters and embeddings do not grow with it.
  if (output.dim() < 3 || output.size(0) != 1 || is_context(output)) return;
  const auto elements = static_cast<double>(output.numel());
  const bool is_layer = kLayers.contains(name);
  if (is_layer) active_probe->fused += elements;
  if (is_layer || kBetween.contains(name)) active_probe->activations += elements;
}

inline void on_end(const at::RecordFunction& call, at::ObserverContext* context) {
  if (active_probe == nullptr) return;
  active_probe->open.pop_back();
  if (call.outputs().empty() || !call.outputs()[0].isTensor()) return;
  const double outputs = numel(call.outputs()[0]);
  if (const auto* convolution = dynamic_cast<const Convolution*>(context))
    active_probe->linear_macs += outputs * convolution->macs_per_output;
  // The sum of a tensor and a number calls the sum of two tensors, but makes only one map.
  const bool is_inner = !active_probe->open.empty() && active_probe->open.back() == call.name();
  if (!is_inner) count_activations(call.name(), call.outputs()[0].toTensor());
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

// Runs the network on the smallest image that its levels allow. In float64 no special convolutions
// are used.
inline Probe probe(const ModelConfig& config, std::int64_t channels) {
  const std::int64_t side = std::int64_t{1} << (config.width_multipliers.size() - 1);
  torch::NoGradGuard no_grad;
  BoundNetwork<UNet> net(UNet(config, channels), torch::kFloat64, torch::kCPU);
  Probe probe;
  const ProbeScope scope(probe);
  net->forward(torch::zeros({1, channels, side, side}, torch::kFloat64),
               torch::ones({1}, torch::kInt64), zero_condition(config, 1));
  return probe;
}

}  // namespace ddpm::testing
