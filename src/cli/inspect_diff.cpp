// `ddpm inspect --diff A B`.
#include <cmath>

#include "ddpm/config/difference.h"
#include "ddpm/io/compare_tensors.h"
#include "ddpm/io/model_file.h"
#include "inspect.h"

namespace ddpm::cli {
namespace {

// A number as JSON, which has no infinity: null stands for it.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

Json describe_settings(const Config& a, const Config& b) {
  Json list = Json::array();
  for (const Difference& d : all_differences(a, b))
    list.push_back({{"key", d.path}, {"a", Json::parse(d.before)}, {"b", Json::parse(d.after)}});
  return list;
}

Json describe_values(const SetDifference& difference) {
  Json list = Json::array();
  for (const TensorDifference& d : difference.values)
    list.push_back({{"name", d.name},
                    {"largest", number(d.largest)},
                    {"relative", number(d.relative)},
                    {"unequal_values", d.unequal}});
  return list;
}

}  // namespace

Json describe_difference(const std::string& path_a, const std::string& path_b,
                         std::optional<WeightSet> weights) {
  const ModelFile a = open_model(path_a, weights), b = open_model(path_b, weights);
  const SetDifference d = compare_tensors(a.tensors, b.tensors);
  Json shapes = Json::array();
  for (const ShapeDifference& s : d.shapes)
    shapes.push_back({{"name", s.name}, {"a", s.a}, {"b", s.b}});
  return {{"a", a.weights.string()},
          {"b", b.weights.string()},
          {"format_a", name_of(a.format)},
          {"format_b", name_of(b.format)},
          {"settings", describe_settings(a.config, b.config)},
          {"only_in_a", d.only_in_a},
          {"only_in_b", d.only_in_b},
          {"shapes", shapes},
          {"equal_tensors", d.equal},
          {"different_tensors", d.values.size()},
          {"largest_relative_difference",
           d.values.empty() ? Json(0) : number(d.values.front().relative)},
          {"differences", describe_values(d)}};
}

}  // namespace ddpm::cli
