#include "ddpm/training/timestep_sampler.h"

#include "ddpm/diffusion/objective.h"

namespace ddpm {

namespace {
// A table of so many quantiles makes no probability wrong by more than 1 / this.
constexpr std::int64_t kQuantiles = 1 << 20;
}  // namespace

TimestepSampler::TimestepSampler(const Config& config, torch::Device device)
    : device_(device), timesteps_(config.diffusion.timesteps) {
  if (config.training.timestep_sampling == TimestepSampling::kUniform) return;
  quantiles_ = torch::tensor(log_normal_timesteps(config.diffusion, config.training, kQuantiles),
                             torch::kInt64)
                   .to(device);
}

torch::Tensor TimestepSampler::draw(const ops::Draw& draw, std::int64_t rows) const {
  const std::int64_t bound = quantiles_.defined() ? quantiles_.size(0) : timesteps_;
  const torch::Tensor drawn =
      ops::random_integers(draw.with_stream(RandomStream::kTimestep), rows, bound, device_);
  return quantiles_.defined() ? quantiles_.index_select(0, drawn) : drawn;
}

}  // namespace ddpm
