#include "ddpm/evaluation/sliced_wasserstein.h"

#include <algorithm>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/ops/random.h"

namespace ddpm {
namespace {

constexpr std::int64_t kSide = 7, kMostOfImage = 128, kMost = std::int64_t{1} << 18;
constexpr std::int64_t kLeastSideOfLevel = 16, kLeastSide = 8;
constexpr std::int64_t kDirections = 512, kDirectionsAtOnce = 128;

// The 5x5 binomial filter, of each channel by itself.
torch::Tensor blur(const torch::Tensor& images) {
  const std::int64_t channels = images.size(1);
  const torch::Tensor line = torch::tensor({1.0f, 4.0f, 6.0f, 4.0f, 1.0f}) / 16;
  const torch::Tensor filter =
      torch::outer(line, line).to(images.device()).expand({channels, 1, 5, 5});
  const torch::Tensor padded = torch::reflection_pad2d(images, {2, 2, 2, 2});
  const std::vector<std::int64_t> stride = {1, 1}, padding = {0, 0}, dilation = {1, 1};
  return torch::conv2d(padded, filter, /*bias=*/{}, stride, padding, dilation, channels);
}

torch::Tensor half_of(const torch::Tensor& images) {
  return blur(images).slice(2, 0, c10::nullopt, 2).slice(3, 0, c10::nullopt, 2);
}

// The image of twice the size whose other pixels are zeros, blurred; the factor makes up for these.
torch::Tensor twice(const torch::Tensor& half, torch::IntArrayRef sizes) {
  torch::Tensor wide = torch::zeros(sizes, half.options());
  wide.slice(2, 0, c10::nullopt, 2).slice(3, 0, c10::nullopt, 2).copy_(half);
  return 4 * blur(wide);
}

// Patches of images [N,C,H,W] at `count` random places of each: [N*count,C,7,7].
torch::Tensor cut(const torch::Tensor& images, std::int64_t count, const RandomKey& key) {
  const torch::Device device = images.device();
  const std::int64_t height = images.size(2), width = images.size(3), number = images.size(0);
  const torch::Tensor words = ops::random_words(key, number, 2 * count, device);
  const auto places = [&](std::int64_t from, std::int64_t size) {
    const torch::Tensor begin = words.narrow(1, from, count) % (size - kSide + 1);
    return begin.view({-1, 1}) + torch::arange(kSide, words.options());  // [N*count,7]
  };
  const torch::Tensor image =
      torch::arange(number, words.options()).repeat_interleave(count).view({-1, 1, 1});
  const torch::Tensor rows = places(0, height).unsqueeze(2),
                      columns = places(count, width).unsqueeze(1);
  // [N,H,W,C] indexed by [P,7,7] of each of the first three.
  return images.permute({0, 2, 3, 1}).index({image, rows, columns}).permute({0, 3, 1, 2});
}

// [P,C*49], each channel with the mean 0 and the standard deviation 1.
torch::Tensor normalized(const torch::Tensor& patches) {
  const torch::Tensor centred = patches - patches.mean({0, 2, 3}, /*keepdim=*/true);
  const torch::Tensor deviation = centred.square().mean({0, 2, 3}, /*keepdim=*/true).sqrt();
  return (centred / deviation.clamp_min(1e-8)).flatten(1);
}

double distance_of_level(const torch::Tensor& a, const torch::Tensor& b, std::uint64_t level) {
  const torch::Tensor x = normalized(a), y = normalized(b);
  const torch::Tensor directions =
      ops::random_normal(RandomKey{.stream = RandomStream::kShuffle, .step = level}, kDirections,
                         {x.size(1)}, torch::kCPU);
  double sum = 0;
  for (const torch::Tensor& part : directions.split(kDirectionsAtOnce)) {
    const torch::Tensor unit = part / part.norm(2, 1, /*keepdim=*/true);
    const auto sorted = [&](const torch::Tensor& rows) {
      return std::get<0>(torch::matmul(unit, rows.t()).sort(1));
    };
    sum += (sorted(x) - sorted(y)).abs().mean().item<double>();
  }
  return 1000 * sum * kDirectionsAtOnce / kDirections;
}

}  // namespace

PatchCollector::PatchCollector(std::int64_t images)
    : patches_(
          std::clamp<std::int64_t>(kMost / std::max<std::int64_t>(images, 1), 1, kMostOfImage)) {}

void PatchCollector::add(const torch::Tensor& pixels, std::int64_t first) {
  torch::Tensor images = pixels.to(torch::kFloat32);
  std::int64_t side = std::min(images.size(2), images.size(3));
  if (side < kLeastSide)
    throw DataError(
        format_text("patches are cut from images of at least {0}x{0} pixels", kLeastSide));
  for (std::size_t level = 0;; ++level) {
    const bool last = side / 2 < kLeastSideOfLevel;
    const torch::Tensor half = last ? torch::Tensor() : half_of(images);
    const torch::Tensor details = last ? images : images - twice(half, images.sizes());
    const RandomKey key{
        .stream = RandomStream::kCrop, .step = level, .sample = static_cast<std::uint64_t>(first)};
    if (level == levels_.size()) {
      levels_.emplace_back();
      sides_.push_back(side);
    }
    levels_[level].push_back(cut(details, patches_, key).cpu());
    if (last) return;
    images = half;
    side = std::min(images.size(2), images.size(3));
  }
}

PyramidPatches PatchCollector::finish() const {
  PyramidPatches result{.sides = sides_, .patches = {}};
  for (const std::vector<torch::Tensor>& level : levels_)
    result.patches.push_back(torch::cat(level));
  return result;
}

std::vector<double> sliced_wasserstein(const PyramidPatches& a, const PyramidPatches& b) {
  if (a.sides != b.sides || a.patches.empty() || a.patches[0].size(1) != b.patches[0].size(1))
    throw DataError("patches of images of different sizes or channels cannot be compared");
  std::vector<double> distances;
  for (std::size_t level = 0; level < a.patches.size(); ++level) {
    const std::int64_t count = std::min(a.patches[level].size(0), b.patches[level].size(0));
    distances.push_back(distance_of_level(a.patches[level].narrow(0, 0, count),
                                          b.patches[level].narrow(0, 0, count), level));
  }
  return distances;
}

}  // namespace ddpm
