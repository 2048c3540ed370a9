#include "ddpm/ops/geglu.h"

#include "ddpm/kernels/geglu.h"
#include "kernels.h"

namespace ddpm::ops {

torch::Tensor geglu(const torch::Tensor& x) {
  if (use_kernels(x) && !torch::GradMode::is_enabled()) {
    std::vector<std::int64_t> sizes = x.sizes().vec();
    sizes.back() /= 2;
    torch::Tensor y = torch::empty(sizes, x.options());
    kernels::geglu(x.contiguous().const_data_ptr(), y.data_ptr(), type_of(x),
                   y.numel() / sizes.back(), sizes.back(), stream_of(x));
    return y;
  }
  const std::vector<torch::Tensor> parts = x.chunk(2, -1);
  return parts[0] * torch::gelu(parts[1]);
}

}  // namespace ddpm::ops
