#include "ddpm/io/compare_tensors.h"

#include <algorithm>
#include <limits>
#include <map>

#include "ddpm/io/weights.h"

namespace ddpm {
namespace {

double largest_of(const torch::Tensor& values) {
  return values.numel() == 0 ? 0 : values.max().item<double>();
}

TensorDifference compare(const TensorView& a, const TensorView& b) {
  const torch::Tensor x = to_tensor(a).to(torch::kFloat64), y = to_tensor(b).to(torch::kFloat64);
  const torch::Tensor same = (x == y).logical_or(x.isnan().logical_and(y.isnan()));
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  const torch::Tensor d =
      (x - y).abs().nan_to_num(kInfinite, kInfinite, kInfinite).masked_fill(same, 0);
  const double size = largest_of(x.abs().masked_fill(x.isfinite().logical_not(), 0));
  const double largest = largest_of(d);
  return {.name = a.name,
          .largest = largest,
          .relative = size > 0 ? largest / size : largest,
          .unequal = d.numel() - same.sum().item<std::int64_t>()};
}

}  // namespace

SetDifference compare_tensors(const TensorSet& a, const TensorSet& b) {
  std::map<std::string, const TensorView*> rest;
  for (const TensorView& view : b.tensors) rest.emplace(view.name, &view);
  SetDifference result;
  for (const TensorView& view : a.tensors) {
    const auto found = rest.find(view.name);
    if (found == rest.end()) {
      result.only_in_a.push_back(view.name);
      continue;
    }
    const TensorView& other = *found->second;
    rest.erase(found);
    if (view.shape != other.shape) {
      result.shapes.push_back({view.name, view.shape, other.shape});
      continue;
    }
    const TensorDifference difference = compare(view, other);
    if (difference.unequal == 0)
      ++result.equal;
    else
      result.values.push_back(difference);
  }
  for (const auto& [name, view] : rest) result.only_in_b.push_back(name);
  std::ranges::stable_sort(result.values, std::greater{}, &TensorDifference::relative);
  return result;
}

}  // namespace ddpm
