#include "ddpm/interop/wrappers.h"

#include <algorithm>

namespace ddpm {
namespace {

// CompVis's files also hold tensors that are not part of the network; they have other prefixes. The
// averaged weights have the network's names without dots, so they are looked up by those names.
TensorSet unwrap_compvis(const TensorSet& set, WeightSet weights) {
  TensorSet plain = without_prefix(set, kCompVisPrefix);
  if (weights == WeightSet::kRaw) return plain;
  TensorSet average = plain;
  for (TensorView& view : average.tensors) {
    std::string name = view.name;
    std::erase(name, '.');
    const TensorView* found = set.find("model_ema.diffusion_model" + name);
    if (found == nullptr) return plain;
    view = {view.name, found->dtype, found->shape, found->bytes};
  }
  return average;
}

}  // namespace

TensorSet without_prefix(const TensorSet& set, const std::string& prefix) {
  TensorSet result{set.path, {}, set.metadata, set.memory};
  for (TensorView view : set.tensors) {
    if (!view.name.starts_with(prefix)) continue;
    view.name = view.name.substr(prefix.size());
    result.tensors.push_back(std::move(view));
  }
  return result;
}

TensorSet unwrap(const TensorSet& set, WeightSet weights) {
  const auto all_start_with = [&](const char* prefix) {
    return std::ranges::all_of(
        set.tensors, [&](const TensorView& view) { return view.name.starts_with(prefix); });
  };
  const auto any_starts_with = [&](const char* prefix) {
    return std::ranges::any_of(
        set.tensors, [&](const TensorView& view) { return view.name.starts_with(prefix); });
  };
  if (any_starts_with(kCompVisPrefix)) return unwrap_compvis(set, weights);
  if (!set.tensors.empty() && all_start_with("module."))  // added by DataParallel
    return without_prefix(set, "module.");
  return set;
}

}  // namespace ddpm
