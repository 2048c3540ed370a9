#include "ddpm/training/snapshot.h"

#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/types.h>

#include <limits>
#include <string>

namespace ddpm {
namespace {

constexpr std::int64_t kSize = 300'000;  // more than one thread copies at a time

class HostCopiesTest : public ::testing::TestWithParam<torch::DeviceType> {
 protected:
  void SetUp() override {
    if (GetParam() == torch::kCUDA && !torch::cuda::is_available()) GTEST_SKIP() << "no GPU";
  }
  std::vector<torch::Tensor> buffers() const {
    const auto options = torch::TensorOptions().device(GetParam());
    return {torch::arange(kSize, options.dtype(torch::kFloat32)), -torch::ones(kSize, options),
            torch::zeros(kSize, options)};
  }

  HostCopies copies_;
};

TEST_P(HostCopiesTest, AreEqualAndStayWhenTheOriginalChanges) {
  const std::vector<torch::Tensor> from = buffers();
  const auto copied = copies_.copy(from);
  ASSERT_TRUE(copied);
  ASSERT_EQ(copied->size(), 3u);
  for (const torch::Tensor& copy : *copied) EXPECT_TRUE(copy.is_cpu());
  from[0].add_(1);
  EXPECT_TRUE(torch::equal(copied->at(0), torch::arange(kSize, torch::kFloat32)));
  EXPECT_TRUE(torch::equal(copied->at(1), -torch::ones(kSize)));
  EXPECT_TRUE(torch::equal(copied->at(2), torch::zeros(kSize)));
}

// Memory that a save still reads must not change. Memory that nobody holds is used again.
TEST_P(HostCopiesTest, AreOverwrittenOnlyWhenNobodyHasThem) {
  const std::vector<torch::Tensor> from = buffers();
  const void* memory[2] = {};
  {
    const auto first = copies_.copy(from);
    memory[0] = first->at(0).data_ptr(), memory[1] = first->at(1).data_ptr();
  }
  const torch::Tensor kept = copies_.copy(from)->at(0);
  EXPECT_EQ(kept.data_ptr(), memory[0]);
  const torch::Tensor view = copies_.copy(from)->at(0).narrow(0, 10, 5);
  EXPECT_NE(view.data_ptr(), static_cast<const float*>(memory[0]) + 10);
  from[0].zero_();
  const auto last = copies_.copy(from);
  EXPECT_EQ(kept[9].item<float>(), 9);
  EXPECT_EQ(view[0].item<float>(), 10);
  EXPECT_EQ(last->at(0)[9].item<float>(), 0);
  EXPECT_EQ(last->at(1).data_ptr(), memory[1]);
}

TEST_P(HostCopiesTest, AnyValueThatIsNotFiniteIsNoticed) {
  using Limits = std::numeric_limits<float>;
  const std::vector<torch::Tensor> from = buffers();
  for (const torch::Tensor& buffer : from)
    for (const std::int64_t place : {std::int64_t{0}, kSize / 2, kSize - 1})
      for (const float bad : {Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN()}) {
        const auto before = buffer[place].item<float>();
        buffer[place] = bad;
        EXPECT_FALSE(copies_.copy(from)) << bad << " at " << place;
        buffer[place] = before;
      }
  for (const float good : {Limits::max(), Limits::lowest(), Limits::denorm_min(), -0.0f}) {
    from[1][7] = good;
    EXPECT_TRUE(copies_.copy(from)) << good;
  }
}

std::string name_of(const ::testing::TestParamInfo<torch::DeviceType>& device) {
  return device.param == torch::kCPU ? "Cpu" : "Gpu";
}

INSTANTIATE_TEST_SUITE_P(Devices, HostCopiesTest, ::testing::Values(torch::kCPU, torch::kCUDA),
                         name_of);

}  // namespace
}  // namespace ddpm
