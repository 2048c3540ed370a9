// Computes large images in overlapping tiles, as diffusers' autoencoders do.
#pragma once

#include <torch/types.h>

#include <functional>

namespace ddpm {

struct TileOptions {
  std::int64_t side = 0;         // of a tile of the input
  std::int64_t result_side = 0;  // of its result
};

// The result of compute(tile) for tiles of x [N,C,H,W] that begin every 3/4 side, the last ones
// being smaller. Each is blended linearly with its neighbours above and to the left over 1/4 of the
// result's side. An input that fits one tile is computed as it is.
torch::Tensor compute_tiled(const torch::Tensor& x, const TileOptions& options,
                            const std::function<torch::Tensor(const torch::Tensor&)>& compute);

}  // namespace ddpm
