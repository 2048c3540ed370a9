#include "ddpm/ops/gather_images.h"

#include "ddpm/kernels/device.h"
#include "ddpm/kernels/gather_images.h"
#include "kernels.h"

namespace ddpm::ops {

bool can_gather_images(torch::Device device, double bytes) {
  return use_kernels(device) && bytes <= 0.5 * kernels::memory_of(device.index()).free;
}

void gather_images(const torch::Tensor& store, const torch::Tensor& first_position,
                   const GatherOptions& options, const torch::Tensor& out) {
  kernels::gather_images(store.const_data_ptr<std::uint8_t>(), out.data_ptr<float>(),
                         {.count = store.size(0),
                          .stored_height = store.size(1),
                          .stored_width = store.size(2),
                          .height = out.size(1),
                          .width = out.size(2),
                          .channels = out.size(3)},
                         {.seed = options.seed,
                          .horizontal_flip = options.horizontal_flip,
                          .random_crop = options.random_crop,
                          .symmetric = options.symmetric},
                         first_position.const_data_ptr<std::int64_t>(), out.size(0),
                         stream_of(out));
}

}  // namespace ddpm::ops
