#include "ddpm/nn/tiles.h"

#include <algorithm>
#include <vector>

namespace ddpm {
namespace {

constexpr std::int64_t kRows = 2, kColumns = 3;  // dimensions of [N,C,H,W]

// Fades from the end of `before` to the start of `tile` along a dimension, in place.
void blend(const torch::Tensor& before, const torch::Tensor& tile, std::int64_t extent,
           std::int64_t dimension) {
  const std::int64_t n = std::min({before.size(dimension), tile.size(dimension), extent});
  if (n == 0) return;
  std::vector<std::int64_t> shape(4, 1);
  shape[static_cast<std::size_t>(dimension)] = n;
  const torch::Tensor weight =
      (torch::arange(n, tile.options()) / static_cast<double>(n)).view(shape);
  const torch::Tensor end = before.narrow(dimension, before.size(dimension) - n, n);
  const torch::Tensor start = tile.narrow(dimension, 0, n);
  start.copy_(end * (1 - weight) + start * weight);
}

torch::Tensor cropped(const torch::Tensor& tile, std::int64_t kept) {
  return tile.narrow(kRows, 0, std::min(kept, tile.size(kRows)))
      .narrow(kColumns, 0, std::min(kept, tile.size(kColumns)));
}

}  // namespace

torch::Tensor compute_tiled(const torch::Tensor& x, const TileOptions& options,
                            const std::function<torch::Tensor(const torch::Tensor&)>& compute) {
  const std::int64_t height = x.size(kRows), width = x.size(kColumns), side = options.side;
  if (height <= side && width <= side) return compute(x);
  const std::int64_t step = std::max<std::int64_t>(1, side * 3 / 4);
  const std::int64_t extent = options.result_side / 4, kept = options.result_side - extent;
  std::vector<torch::Tensor> above, rows;
  for (std::int64_t top = 0; top < height; top += step) {
    std::vector<torch::Tensor> row, parts;
    for (std::int64_t left = 0; left < width; left += step) {
      const torch::Tensor tile = compute(x.narrow(kRows, top, std::min(side, height - top))
                                             .narrow(kColumns, left, std::min(side, width - left)));
      // Both neighbours are blended already.
      if (!above.empty()) blend(above[row.size()], tile, extent, kRows);
      if (!row.empty()) blend(row.back(), tile, extent, kColumns);
      row.push_back(tile);
      parts.push_back(cropped(tile, kept));
    }
    rows.push_back(torch::cat(parts, kColumns));
    above = std::move(row);
  }
  return torch::cat(rows, kRows);
}

}  // namespace ddpm
