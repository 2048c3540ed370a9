#include "ddpm/nn/cost.h"

#include <gtest/gtest.h>

#include <utility>

#include "support/models.h"

namespace ddpm {
namespace {

TEST(Cost, CountsWhatThePaperNetworkComputes) {
  const Cost ho = estimate_cost(testing::ho_cifar10(), 3, 32, 32);
  EXPECT_EQ(ho.parameters, 35746307);
  EXPECT_NEAR(ho.forward_macs, 6.222e9, 0.01e9);  // counted by hand from the layer table
  const Cost labml =
      estimate_cost(testing::labml(64, {1, 2, 2, 4}, {false, false, true, true}, 2), 3, 32, 32);
  EXPECT_NEAR(2 * labml.forward_macs, 7.99e9, 0.02e9);  // torch.utils.flop_counter on the original
}

// What the program had allocated at its peak, by a trace of allocations: 7.6 MiB an image of this
// network, 48 MiB of the other, whose first level is the largest by far.
TEST(Cost, SamplingKeepsTheMapsOfTheWayDown) {
  const auto mebibytes = [](const Cost& cost) { return 4 * cost.inference_elements / (1 << 20); };
  EXPECT_NEAR(mebibytes(estimate_cost(testing::ho_cifar10(), 3, 32, 32)), 7.6, 0.2);
  ModelConfig wide;
  wide.base_width = 64;
  wide.width_multipliers = {1, 1, 2, 2};
  wide.attention = {false, false, false, true};
  EXPECT_NEAR(mebibytes(estimate_cost(wide, 3, 128, 128)), 48, 1);
}

// Peak resident sizes on a machine of two cores, in MiB: batches of 1, 16 and 64.
TEST(Cost, SamplingMemoryIsThatOfTheProcess) {
  const Cost cost = estimate_cost(testing::ho_cifar10(), 3, 32, 32);
  for (const auto& [batch, measured] : {std::pair{1, 532.0}, {16, 630.0}, {64, 1232.0}})
    EXPECT_NEAR(sampling_memory_bytes(cost, batch, false) / (1 << 20) / measured, 1, 0.1) << batch;
  EXPECT_LT(sampling_memory_bytes(cost, 64, true), 0.7 * sampling_memory_bytes(cost, 64, false));
}

}  // namespace
}  // namespace ddpm
