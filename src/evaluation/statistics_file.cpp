#include "ddpm/evaluation/statistics_file.h"

#include <algorithm>
#include <array>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/npy.h"
#include "ddpm/formats/npz.h"
#include "ddpm/io/weights.h"

namespace ddpm {
namespace {

torch::Tensor read_array(const std::vector<NumpyArray>& arrays, const std::string& name,
                         const std::filesystem::path& path) {
  const auto found = std::ranges::find(arrays, name, &NumpyArray::name);
  if (found == arrays.end())
    throw DataError(format_text(
        "{}: there is no array '{}' in it; statistics of features are an .npz file with mu and sigma",
        shown(path), name));
  const std::optional<torch::Tensor> values = floats_of(*found);
  if (!values)
    throw DataError(format_text("{}: '{}' must have floating-point numbers, not '{}'", shown(path),
                                name, shorten(found->type)));
  if (!values->isfinite().all().item<bool>())
    throw DataError(format_text("{}: '{}' has values that are not finite", shown(path), name));
  return values->to(torch::kFloat64);
}

NpzArray array_of(const char* name, const torch::Tensor& values) {
  return {.name = name,
          .shape = values.sizes().vec(),
          .bytes = {static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()},
          .type = "<f8"};
}

}  // namespace

FeatureStatistics read_statistics(const std::filesystem::path& path) {
  const MappedFile file = map_file<DataError>(path);
  const std::vector<NumpyArray> arrays = read_numpy(file.bytes(), path.string());
  FeatureStatistics statistics{.mean = read_array(arrays, "mu", path),
                               .covariance = read_array(arrays, "sigma", path)};
  const torch::Tensor& covariance = statistics.covariance;
  const std::int64_t dimensions = statistics.mean.numel();
  if (statistics.mean.dim() != 1 || dimensions == 0 ||
      covariance.sizes() != torch::IntArrayRef({dimensions, dimensions}))
    throw DataError(format_text(
        "{}: mu must have the shape [D], and sigma [D,D]; they have [{}] and [{}]", shown(path),
        c10::Join(",", statistics.mean.sizes()), c10::Join(",", covariance.sizes())));
  // Files are written with rounding of other orders of sums.
  const double size = covariance.abs().max().item<double>();
  if ((covariance - covariance.t()).abs().max().item<double>() > 1e-6 * size)
    throw DataError(
        format_text("{}: sigma is not symmetric, so it is not a covariance", shown(path)));
  return statistics;
}

void write_statistics(const std::filesystem::path& path, const FeatureStatistics& statistics) {
  const torch::Tensor mean = statistics.mean.contiguous(),
                      covariance = statistics.covariance.contiguous();
  write_npz(path, std::array{array_of("mu", mean), array_of("sigma", covariance)});
}

}  // namespace ddpm
