#include "ddpm/evaluation/bits_per_dim.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/signals.h"
#include "ddpm/config/unet_plan.h"
#include "ddpm/evaluation/store_images.h"

namespace ddpm {
namespace {

class Bound {
 public:
  explicit Bound(const LikelihoodRequest& request)
      : request_(request),
        schedule_(request.diffusion),
        minimum_(request.range == PixelRange::kSymmetric ? -1 : 0),
        bound_(schedule_, request.images.device(), Prediction::kImage, minimum_, 1),
        corrupted_(request.predictor, schedule_, request.images.device()) {}

  // L_t of each image.
  torch::Tensor term(std::int64_t t) const {
    const torch::Tensor& x0 = request_.images;
    const torch::Tensor times = torch::full(
        {x0.size(0)}, t, torch::TensorOptions().dtype(torch::kInt64).device(x0.device()));
    const torch::Tensor noise = request_.noise(t);
    const torch::Tensor x = corrupted_.corrupt(x0, times, noise);
    const torch::Tensor output =
        request_.predictor(x, times, request_.condition).to(torch::kFloat32);
    const torch::Tensor prediction = output.narrow(1, 0, x0.size(1));
    const torch::Tensor error = prediction - target(t, noise);
    torch::Tensor predicted =
        x0 - image_by_error(schedule_, t, request_.diffusion.prediction_type) * error;
    if (request_.diffusion.clip_x0) predicted = predicted.clamp(minimum_, 1);
    return bound_.terms(x0, times, predicted - x0, variance_range(t, output));
  }

  // The divergence of q(x_T | x_0) from normal noise, which stands in for x_T, of each image.
  torch::Tensor prior() const {
    const double alpha_bar = schedule_.alpha_bar(schedule_.timesteps() - 1);
    const torch::Tensor squares = request_.images.to(torch::kFloat64).square();
    const torch::Tensor nats = 0.5 * (alpha_bar * squares - alpha_bar - std::log1p(-alpha_bar));
    return nats.mean({1, 2, 3}) / std::numbers::ln2;
  }

  std::int64_t timesteps() const { return schedule_.timesteps(); }

 private:
  torch::Tensor target(std::int64_t t, const torch::Tensor& noise) const {
    const double alpha_bar = schedule_.alpha_bar(t);
    switch (request_.diffusion.prediction_type) {
      case Prediction::kNoise:
        return noise;
      case Prediction::kVelocity:
        return std::sqrt(alpha_bar) * noise - std::sqrt(1 - alpha_bar) * request_.images;
      case Prediction::kImage:
        return request_.images;
    }
    return {};
  }

  // 1 stands for beta_t, and -1 for the variance of the posterior, see VariationalBound.
  torch::Tensor variance_range(std::int64_t t, const torch::Tensor& output) const {
    const std::int64_t channels = request_.images.size(1);
    switch (request_.diffusion.variance) {
      case Variance::kLearnedRange:
        return output.narrow(1, channels, channels);
      case Variance::kFixedLarge:
        return torch::full_like(request_.images, t == 0 ? -1 : 1);
      case Variance::kFixedSmall:
        return torch::full_like(request_.images, -1);
      case Variance::kLearned:
        break;
    }
    throw ConfigError(
        "nll: the likelihood of a model with diffusion.variance learned is not computed");
  }

  const LikelihoodRequest& request_;
  NoiseSchedule schedule_;
  double minimum_;
  VariationalBound bound_;
  DenoiseModel corrupted_;
};

constexpr std::int64_t kImagesAtOnceOnGpu = 250, kImagesAtOnceOnCpu = 25;

}  // namespace

double BitsPerDim::total() const { return std::accumulate(terms.begin(), terms.end(), prior); }

torch::Tensor bound_terms(const LikelihoodRequest& request,
                          const std::function<void(std::int64_t)>& after_timestep) {
  torch::NoGradGuard no_grad;
  const Bound bound(request);
  std::vector<torch::Tensor> sums;
  for (std::int64_t t = 0; t < bound.timesteps(); ++t) {
    sums.push_back(bound.term(t).to(torch::kFloat64).sum());
    if (after_timestep) after_timestep(t + 1);
  }
  sums.push_back(bound.prior().sum());
  return torch::stack(sums).cpu();
}

BitsPerDim bits_per_dim(const LoadedModel& model, const ImageStore& store, std::int64_t count,
                        ProgressStyle style) {
  const Config& config = model.config;
  if (config.model.context_width > 0 || config.model.vector_width > 0)
    throw ConfigError("nll: the likelihood of a network with texts is not computed");
  const torch::Device device = model.runtime.device;
  const std::int64_t images = std::min(count, store.count()),
                     timesteps = config.diffusion.timesteps;
  const std::int64_t most = device.is_cuda() ? kImagesAtOnceOnGpu : kImagesAtOnceOnCpu;
  Progress progress(style, "likelihood", "evaluations", images * timesteps);
  torch::Tensor sums = torch::zeros({timesteps + 1}, torch::kFloat64);
  for (std::int64_t first = 0; first < images; first += most) {
    const StoreImages batch = images_of_store(store, first, std::min(most, images - first));
    const std::int64_t rows = batch.pixels.size(0);
    LikelihoodRequest request{.predictor = model.predictor(),
                              .diffusion = config.diffusion,
                              .range = config.data.range,
                              .images = to_values(batch.pixels, config.data.range).to(device),
                              .noise = {}};
    if (config.model.classes > 0) request.condition.labels = batch.labels.to(device);
    request.noise = [&](std::int64_t t) {
      const RandomKey key{.seed = static_cast<std::uint64_t>(config.run.seed),
                          .stream = RandomStream::kLikelihoodNoise,
                          .step = static_cast<std::uint64_t>(t),
                          .sample = static_cast<std::uint64_t>(first)};
      return ops::random_normal(key, rows, request.images.sizes().slice(1), device);
    };
    sums += bound_terms(request, [&](std::int64_t done) {
      if (stop_requested())
        throw Error(stop_exit_code(), "stopped before the likelihood was known");
      progress.update(static_cast<double>(first * timesteps + done * rows), "");
    });
  }
  sums /= static_cast<double>(images);
  const auto* values = sums.data_ptr<double>();
  return {.terms = {values, values + timesteps}, .prior = values[timesteps]};
}

}  // namespace ddpm
