#include "ddpm/nn/inception.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "ddpm/nn/bound_network.h"
#include "support/fill.h"

namespace ddpm {
namespace {

// The numbers are those of pytorch-fid's network (tests/golden/inception.py).
TEST(Inception, EqualsThatOfPytorchFid) {
  BoundNetwork<Inception> network(Inception(), torch::kFloat64, torch::kCPU);
  testing::hash_fill(*network.net());
  const InceptionOutput output =
      network->forward(testing::hash_tensor(1000, {2, 3, 299, 299}, 2.0));
  EXPECT_EQ(output.features.sizes(), torch::IntArrayRef({2, 2048}));
  EXPECT_EQ(output.logits.sizes(), torch::IntArrayRef({2, 1008}));
  testing::expect_numbers(output.features,
                          {0.03251211834, 0.03251211834, 2.253310537e-05, 0.1484100423}, 1e-9);
  testing::expect_numbers(output.logits,
                          {-0.002100969294, 0.04326277918, -0.005300974206, 0.0117911583}, 1e-9);
}

}  // namespace
}  // namespace ddpm
