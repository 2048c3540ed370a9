#include "ddpm/diffusion/denoise_model.h"

#include <cmath>

namespace ddpm {
namespace {

torch::Tensor table(const std::vector<double>& values, torch::Device device) {
  return torch::tensor(values, torch::kFloat64)
      .to(torch::TensorOptions().dtype(torch::kFloat32).device(device));
}

template <class Function>
torch::Tensor table_of(const NoiseSchedule& schedule, torch::Device device, const Function& f) {
  std::vector<double> values;
  for (const double alpha_bar : schedule.alpha_bars()) values.push_back(f(alpha_bar));
  return table(values, device);
}

torch::Tensor per_image(const torch::Tensor& table, const torch::Tensor& t) {
  return table.index_select(0, t).view({-1, 1, 1, 1});
}

}  // namespace

DenoiseModel::DenoiseModel(Predictor predictor, const NoiseSchedule& schedule, torch::Device device,
                           const Objective& objective, std::optional<HybridLoss> hybrid)
    : predictor_(std::move(predictor)),
      objective_(objective),
      hybrid_(std::move(hybrid)),
      signal_(table_of(schedule, device, [](double a) { return std::sqrt(a); })),
      sigma_(table_of(schedule, device, [](double a) { return std::sqrt(1.0 - a); })) {
  if (!objective_.weights.empty()) weights_ = table(objective_.weights, device);
}

torch::Tensor DenoiseModel::corrupt(const torch::Tensor& x0, const torch::Tensor& t,
                                    const torch::Tensor& noise) const {
  return per_image(signal_, t) * x0 + per_image(sigma_, t) * noise;
}

torch::Tensor DenoiseModel::target(const torch::Tensor& x0, const torch::Tensor& t,
                                   const torch::Tensor& noise) const {
  switch (objective_.prediction) {
    case Prediction::kNoise:
      return noise;
    case Prediction::kVelocity:
      return per_image(signal_, t) * noise - per_image(sigma_, t) * x0;
    case Prediction::kImage:
      return x0;
  }
  return {};
}

torch::Tensor DenoiseModel::simple_loss(const torch::Tensor& prediction,
                                        const torch::Tensor& target, const torch::Tensor& t) const {
  // With weights the mean is taken after them.
  const auto reduction = weights_.defined() ? at::Reduction::None : at::Reduction::Mean;
  torch::Tensor loss;
  switch (objective_.loss) {
    case Loss::kMse:
      loss = torch::mse_loss(prediction, target, reduction);
      break;
    case Loss::kL1:
      loss = torch::l1_loss(prediction, target, reduction);
      break;
    case Loss::kHuber:
      loss = torch::huber_loss(prediction, target, reduction, objective_.huber_delta);
      break;
  }
  return weights_.defined() ? (per_image(weights_, t) * loss).mean() : loss;
}

torch::Tensor DenoiseModel::loss(const torch::Tensor& x0, const torch::Tensor& t,
                                 const torch::Tensor& noise, const Condition& condition) const {
  const torch::Tensor output = predictor_(corrupt(x0, t, noise), t, condition).to(torch::kFloat32);
  const torch::Tensor aim = target(x0, t, noise);
  if (!hybrid_) return simple_loss(output, aim, t);
  const std::int64_t channels = x0.size(1);
  const torch::Tensor prediction = output.narrow(1, 0, channels);
  // The mean learns from the simple loss only; of the bound it is a constant (Nichol and Dhariwal,
  // "Improved DDPM", section 3.1).
  const torch::Tensor bound = hybrid_->bound.terms(x0, t, (prediction - aim).detach(),
                                                   output.narrow(1, channels, channels));
  const double weight = hybrid_->weight * static_cast<double>(signal_.size(0));
  return simple_loss(prediction, aim, t) + weight * bound.mean();
}

}  // namespace ddpm
