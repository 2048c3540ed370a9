#include "ddpm/evaluation/distances.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/random.h"

namespace ddpm {
namespace {

// The square root of a symmetric matrix without negative eigenvalues. Those that are within the rounding of
// the largest one, of either sign, count as 0: the root would make much more of them.
torch::Tensor symmetric_root(const torch::Tensor& matrix) {
  const auto [values, vectors] = torch::linalg_eigh(matrix);
  const double rounding = std::numeric_limits<double>::epsilon() *
                          static_cast<double>(matrix.size(0)) * values.abs().max().item<double>();
  const torch::Tensor roots = torch::where(values > rounding, values, 0.0).sqrt();
  return torch::matmul(vectors * roots, vectors.t());
}

void require_same_dimension(std::int64_t a, std::int64_t b) {
  if (a != b)
    throw DataError(format_text(
        "features of {} and of {} dimensions are of different networks and cannot be compared", a,
        b));
}

torch::Tensor cubic_kernel(const torch::Tensor& a, const torch::Tensor& b) {
  return (torch::matmul(a, b.t()) / static_cast<double>(a.size(1)) + 1).pow(3);
}

double mean_of_off_diagonal(const torch::Tensor& square) {
  const auto n = static_cast<double>(square.size(0));
  return (square.sum() - square.diagonal().sum()).item<double>() / (n * (n - 1));
}

double kernel_distance_of(const torch::Tensor& a, const torch::Tensor& b) {
  return mean_of_off_diagonal(cubic_kernel(a, a)) + mean_of_off_diagonal(cubic_kernel(b, b)) -
         2 * cubic_kernel(a, b).mean().item<double>();
}

// `size` different numbers below `count`, by the first steps of Fisher and Yates' shuffle.
torch::Tensor random_rows(std::int64_t count, std::int64_t size, const RandomKey& key) {
  torch::Tensor rows = torch::arange(count);
  auto* values = rows.data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < size; ++i)
    std::swap(values[i], values[i + random_below(key, static_cast<std::uint64_t>(i),
                                                 static_cast<std::uint64_t>(count - i))]);
  return rows.narrow(0, 0, size);
}

torch::Tensor subset_of(const torch::Tensor& features, std::int64_t size, const RandomKey& key) {
  if (size == features.size(0)) return features;
  return features.index_select(0, random_rows(features.size(0), size, key).to(features.device()));
}

MeanOfParts mean_of(const std::vector<double>& parts) {
  const torch::Tensor values = torch::tensor(parts, torch::kFloat64);
  return {values.mean().item<double>(), values.std(/*unbiased=*/false).item<double>()};
}

// Squares of the distances of rows, [rows of a, rows of b].
torch::Tensor squared_distances(const torch::Tensor& a, const torch::Tensor& b) {
  const torch::Tensor lengths_a = a.square().sum(1, /*keepdim=*/true),
                      lengths_b = b.square().sum(1);
  return torch::addmm(lengths_b.unsqueeze(0), a, b.t(), /*beta=*/1, /*alpha=*/-2)
      .add_(lengths_a)
      .clamp_min_(0);
}

// A part of the rows whose distances to all others fit into memory.
constexpr std::int64_t kRowsAtOnce = 1024;

template <class Work>
void for_parts_of(const torch::Tensor& rows, const Work& work) {
  for (const torch::Tensor& part : rows.split(kRowsAtOnce)) work(part);
}

// The squared distance of each point to its k-th neighbour, for each k.
std::vector<torch::Tensor> squared_radii(const torch::Tensor& points,
                                         const std::vector<std::int64_t>& ks) {
  std::vector<std::vector<torch::Tensor>> parts(ks.size());
  for_parts_of(points, [&](const torch::Tensor& part) {
    const torch::Tensor distances = squared_distances(part, points);
    for (std::size_t i = 0; i < ks.size(); ++i)  // the nearest point is the point itself
      parts[i].push_back(std::get<0>(distances.kthvalue(ks[i] + 1, 1)));
  });
  std::vector<torch::Tensor> radii;
  for (const std::vector<torch::Tensor>& part : parts) radii.push_back(torch::cat(part));
  return radii;
}

}  // namespace

FeatureStatistics statistics_of(const torch::Tensor& features) {
  if (features.size(0) < 2)
    throw DataError("a covariance needs at least two images, and there are fewer");
  const torch::Tensor rows = features.to(torch::kFloat64);
  const torch::Tensor mean = rows.mean(0);
  const torch::Tensor centred = rows - mean;
  const torch::Tensor covariance =
      torch::matmul(centred.t(), centred) / static_cast<double>(rows.size(0) - 1);
  return {mean.cpu(), covariance.cpu(), features.size(0)};
}

double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b) {
  require_same_dimension(a.mean.size(0), b.mean.size(0));
  const torch::Tensor difference = a.mean - b.mean;
  if (!torch::isfinite(difference).all().item<bool>() ||
      !torch::isfinite(a.covariance).all().item<bool>() ||
      !torch::isfinite(b.covariance).all().item<bool>())
    throw DataError("a mean or covariance of the features is not finite");
  // The root's trace is the sum of the singular values of the product of both roots.
  const torch::Tensor product =
      torch::matmul(symmetric_root(a.covariance), symmetric_root(b.covariance));
  const torch::Tensor trace =
      a.covariance.trace() + b.covariance.trace() - 2 * torch::linalg_svdvals(product).sum();
  return (difference.dot(difference) + trace).item<double>();
}

MeanOfParts kernel_distance(const torch::Tensor& a, const torch::Tensor& b,
                            const KernelDistanceOptions& options) {
  require_same_dimension(a.size(1), b.size(1));
  const std::int64_t smaller = std::min(a.size(0), b.size(0));
  if (smaller < 2) throw DataError("a kernel distance needs at least two images of each set");
  const torch::Tensor rows_a = a.to(torch::kFloat64), rows_b = b.to(torch::kFloat64);
  const std::int64_t size = std::min(options.size, smaller);
  std::vector<double> parts;
  for (std::int64_t i = 0; i < (size < options.size ? 1 : options.subsets); ++i) {
    const RandomKey key{.seed = options.seed,
                        .stream = RandomStream::kShuffle,
                        .step = static_cast<std::uint64_t>(i)};
    parts.push_back(kernel_distance_of(subset_of(rows_a, size, key),
                                       subset_of(rows_b, size, key.with_sample(1))));
  }
  return mean_of(parts);
}

MeanOfParts inception_score(const torch::Tensor& logits, std::int64_t parts) {
  const std::int64_t count = logits.size(0);
  if (count < parts)
    throw DataError(
        format_text("an inception score of {} parts needs as many images, not {}", parts, count));
  const torch::Tensor logarithms = torch::log_softmax(logits.to(torch::kFloat64), 1);
  std::vector<double> scores;
  for (std::int64_t i = 0; i < parts; ++i) {
    const std::int64_t begin = i * count / parts, end = (i + 1) * count / parts;
    const torch::Tensor part = logarithms.narrow(0, begin, end - begin), chances = part.exp();
    const torch::Tensor of_all = chances.mean(0, /*keepdim=*/true).log();
    scores.push_back(std::exp((chances * (part - of_all)).sum(1).mean().item<double>()));
  }
  return mean_of(scores);
}

Coverage coverage_of(const torch::Tensor& real, const torch::Tensor& generated,
                     std::int64_t neighbours, std::int64_t wide_neighbours) {
  require_same_dimension(real.size(1), generated.size(1));
  const std::int64_t least = std::max(neighbours, wide_neighbours) + 1;
  if (std::min(real.size(0), generated.size(0)) < least)
    throw DataError(format_text(
        "precision, recall, density and coverage need at least {} images of each set", least));
  const torch::Tensor x = real.to(torch::kFloat64), y = generated.to(torch::kFloat64);
  const std::vector<torch::Tensor> real_radii = squared_radii(x, {neighbours, wide_neighbours});
  const torch::Tensor radii = squared_radii(y, {neighbours}).front();
  Coverage sums;
  torch::Tensor nearest = torch::full({x.size(0)}, HUGE_VAL, x.options());
  torch::Tensor recalled = torch::zeros({x.size(0)}, x.options().dtype(torch::kBool));
  std::int64_t first = 0;
  for_parts_of(y, [&](const torch::Tensor& part) {
    const torch::Tensor distances = squared_distances(part, x);  // [part,real]
    const torch::Tensor inside = distances <= real_radii[0];
    sums.precision += inside.any(1).sum().item<double>();
    sums.density += (distances <= real_radii[1]).sum().item<double>();
    nearest = torch::minimum(nearest, distances.amin(0));
    recalled |= (distances <= radii.narrow(0, first, part.size(0)).unsqueeze(1)).any(0);
    first += part.size(0);
  });
  const auto real_count = static_cast<double>(x.size(0)), count = static_cast<double>(y.size(0));
  return {.precision = sums.precision / count,
          .recall = recalled.sum().item<double>() / real_count,
          .density = sums.density / count / static_cast<double>(wide_neighbours),
          .coverage = (nearest <= real_radii[1]).sum().item<double>() / real_count};
}

}  // namespace ddpm
