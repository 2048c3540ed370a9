#include "ddpm/ops/geglu.h"

namespace ddpm::ops {

torch::Tensor geglu(const torch::Tensor& x) {
  const std::vector<torch::Tensor> parts = x.chunk(2, -1);
  return parts[0] * torch::gelu(parts[1]);
}

}  // namespace ddpm::ops
