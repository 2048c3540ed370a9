#include "ddpm/diffusion/denoise_model.h"

#include <cmath>

namespace ddpm {
namespace {

template <class Function>
torch::Tensor table(const std::vector<double>& alpha_bars, torch::Device device,
                    const Function& f) {
  std::vector<double> values;
  for (const double alpha_bar : alpha_bars) values.push_back(f(alpha_bar));
  return torch::tensor(values, torch::kFloat64)
      .to(torch::TensorOptions().dtype(torch::kFloat32).device(device));
}

torch::Tensor per_image(const torch::Tensor& table, const torch::Tensor& t) {
  return table.index_select(0, t).view({-1, 1, 1, 1});
}

}  // namespace

DenoiseModel::DenoiseModel(Predictor predictor, const NoiseSchedule& schedule, torch::Device device,
                           Prediction prediction, std::optional<HybridLoss> hybrid)
    : predictor_(std::move(predictor)),
      prediction_(prediction),
      hybrid_(std::move(hybrid)),
      signal_(table(schedule.alpha_bars(), device, [](double a) { return std::sqrt(a); })),
      sigma_(table(schedule.alpha_bars(), device, [](double a) { return std::sqrt(1.0 - a); })) {}

torch::Tensor DenoiseModel::corrupt(const torch::Tensor& x0, const torch::Tensor& t,
                                    const torch::Tensor& noise) const {
  return per_image(signal_, t) * x0 + per_image(sigma_, t) * noise;
}

torch::Tensor DenoiseModel::target(const torch::Tensor& x0, const torch::Tensor& t,
                                   const torch::Tensor& noise) const {
  switch (prediction_) {
    case Prediction::kNoise:
      return noise;
    case Prediction::kVelocity:
      return per_image(signal_, t) * noise - per_image(sigma_, t) * x0;
    case Prediction::kImage:
      return x0;
  }
  return {};
}

torch::Tensor DenoiseModel::loss(const torch::Tensor& x0, const torch::Tensor& t,
                                 const torch::Tensor& noise, const Condition& condition) const {
  const torch::Tensor output = predictor_(corrupt(x0, t, noise), t, condition).to(torch::kFloat32);
  if (!hybrid_) return torch::mse_loss(output, target(x0, t, noise));
  const std::int64_t channels = x0.size(1);
  const torch::Tensor error = output.narrow(1, 0, channels) - target(x0, t, noise);
  // The mean learns from the simple loss only; of the bound it is a constant (Nichol and Dhariwal,
  // "Improved DDPM", section 3.1).
  const torch::Tensor bound =
      hybrid_->bound.terms(x0, t, error.detach(), output.narrow(1, channels, channels));
  const double weight = hybrid_->weight * static_cast<double>(signal_.size(0));
  return error.square().mean() + weight * bound.mean();
}

}  // namespace ddpm
