#include "ddpm/io/compare_tensors.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <limits>

#include "ddpm/io/weights.h"

namespace ddpm {
namespace {

TEST(CompareTensors, SaysWhatDiffersAndByHowMuch) {
  const TensorSet a = to_tensor_set({{"same", torch::tensor({1.0f, 2.0f})},
                                     {"far", torch::tensor({1.0f, -4.0f, 2.0f})},
                                     {"near", torch::tensor({100.0f, 1.0f})},
                                     {"shaped", torch::zeros({2, 3})},
                                     {"old", torch::zeros({1})}});
  const TensorSet b = to_tensor_set({{"shaped", torch::zeros({3, 2})},
                                     {"new", torch::zeros({1})},
                                     {"near", torch::tensor({100.0f, 1.5f})},
                                     {"far", torch::tensor({1.0f, -4.0f, 4.0f})},
                                     {"same", torch::tensor({1.0f, 2.0f})}});
  const SetDifference d = compare_tensors(a, b);
  EXPECT_EQ(d.equal, 1);
  EXPECT_EQ(d.only_in_a, std::vector<std::string>{"old"});
  EXPECT_EQ(d.only_in_b, std::vector<std::string>{"new"});
  ASSERT_EQ(d.shapes.size(), 1);
  EXPECT_EQ(d.shapes[0].name, "shaped");
  EXPECT_EQ(d.shapes[0].b, (std::vector<std::int64_t>{3, 2}));
  ASSERT_EQ(d.values.size(), 2);
  EXPECT_EQ(d.values[0].name, "far");
  EXPECT_EQ(d.values[0].largest, 2);
  EXPECT_EQ(d.values[0].relative, 0.5);
  EXPECT_EQ(d.values[0].unequal, 1);
  EXPECT_EQ(d.values[1].relative, 0.005);
}

TEST(CompareTensors, CountsNonFiniteValues) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinite = INFINITY;
  const TensorSet a = to_tensor_set({{"w", torch::tensor({nan, infinite, 1.0f, 2.0f})}});
  EXPECT_EQ(compare_tensors(a, a).equal, 1) << "two NaNs count as equal";
  const TensorSet b = to_tensor_set({{"w", torch::tensor({nan, infinite, nan, 2.0f})}});
  const SetDifference d = compare_tensors(a, b);
  ASSERT_EQ(d.values.size(), 1);
  EXPECT_EQ(d.values[0].unequal, 1);
  EXPECT_TRUE(std::isinf(d.values[0].largest));
}

TEST(CompareTensors, TypesDoNotMatterWhereValuesAreTheSame) {
  const TensorSet a = to_tensor_set({{"w", torch::tensor({0.5f, 2.0f})}});
  const TensorSet b = to_tensor_set({{"w", torch::tensor({0.5f, 2.0f}).to(torch::kBFloat16)}});
  EXPECT_EQ(compare_tensors(a, b).equal, 1);
}

}  // namespace
}  // namespace ddpm
