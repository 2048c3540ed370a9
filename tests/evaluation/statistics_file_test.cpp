#include "ddpm/evaluation/statistics_file.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <array>

#include "ddpm/base/error.h"
#include "ddpm/formats/npz.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::message_of;
using testing::TemporaryFolder;

NpzArray array(const char* name, const torch::Tensor& values) {
  return {.name = name,
          .shape = values.sizes().vec(),
          .bytes = {static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()},
          .type = values.scalar_type() == torch::kFloat64 ? "<f8" : "<f4"};
}

TEST(StatisticsFile, IsReadAsItWasWritten) {
  const TemporaryFolder folder;
  const FeatureStatistics written = statistics_of(torch::randn({10, 3}));
  write_statistics(folder / "a.npz", written);
  const FeatureStatistics read = read_statistics(folder / "a.npz");
  EXPECT_TRUE(torch::equal(read.mean, written.mean));
  EXPECT_TRUE(torch::equal(read.covariance, written.covariance));
  EXPECT_EQ(read.count, 0);
}

TEST(StatisticsFile, MayHaveFloat32AndOtherArrays) {
  const TemporaryFolder folder;
  const torch::Tensor mean = torch::tensor({1.0f, 2.0f}), covariance = torch::eye(2),
                      other = torch::zeros({5});
  write_npz(folder / "a.npz",
            std::array{array("mu", mean), array("sigma", covariance), array("mu_s", other)});
  EXPECT_EQ(read_statistics(folder / "a.npz").mean.scalar_type(), torch::kFloat64);
}

TEST(StatisticsFile, IsRefusedIfItIsNone) {
  const TemporaryFolder folder;
  const auto refusal = [&](const torch::Tensor& mean, const torch::Tensor& covariance) {
    write_npz(folder / "a.npz", std::array{array("mu", mean), array("sigma", covariance)});
    return message_of<DataError>([&] { read_statistics(folder / "a.npz"); });
  };
  EXPECT_TRUE(contains(refusal(torch::zeros({3}), torch::eye(2)),
                       "mu must have the shape [D], and sigma [D,D]; they have [3] and [2,2]"));
  EXPECT_TRUE(contains(refusal(torch::zeros({2}), torch::tensor({{1.0f, 2.0f}, {0.0f, 1.0f}})),
                       "sigma is not symmetric"));
  EXPECT_TRUE(contains(refusal(torch::full({2}, NAN), torch::eye(2)),
                       "'mu' has values that are not finite"));
  const torch::Tensor mean = torch::zeros({2});
  write_npz(folder / "a.npz", std::array{array("mu", mean)});
  EXPECT_TRUE(contains(message_of<DataError>([&] { read_statistics(folder / "a.npz"); }),
                       "there is no array 'sigma'"));
  EXPECT_THROW(read_statistics(folder / "none.npz"), DataError);
}

}  // namespace
}  // namespace ddpm
