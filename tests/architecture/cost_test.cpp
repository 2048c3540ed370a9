#include "ddpm/architecture/cost.h"

#include <gtest/gtest.h>

#include <utility>

#include "support/models.h"
#include "support/stable_diffusion.h"

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

// The parameters are those of the original classes. The operations were counted by PyTorch's flop
// counter on UNet2DConditionModel, in GFLOP; v2 has a few more than v1 for the wider context.
TEST(Cost, CountsStableDiffusion) {
  const Cost v1 = estimate_cost(testing::sd1(), 4, 64, 64);
  EXPECT_EQ(v1.parameters, 859520964);
  EXPECT_EQ(v1.tensors, 686);
  EXPECT_NEAR(2e-9 * v1.forward_macs, 803, 1);
  EXPECT_NEAR(2e-9 * estimate_cost(testing::sd1(), 4, 96, 96).forward_macs, 2148, 2);
  const Cost v2 = estimate_cost(testing::sd2(), 4, 64, 64);
  EXPECT_EQ(v2.parameters, 865910724);
  EXPECT_EQ(v2.tensors, 686);
  EXPECT_NEAR(2e-9 * v2.forward_macs, 804, 1);
  ModelConfig inpainting = testing::sd1();
  inpainting.in_channels = 9;
  EXPECT_EQ(estimate_cost(inpainting, 4, 64, 64).parameters, 859535364);
  const Cost xl = estimate_cost(testing::sdxl(), 4, 128, 128);
  EXPECT_EQ(xl.parameters, 2567463684);
  EXPECT_NEAR(2e-9 * xl.forward_macs, 6761, 7);
}

// A trace of allocations gave these peaks: 7.6 MiB an image for this network, and 48 MiB for the
// other, whose first level is by far the largest.
TEST(Cost, SamplingKeepsTheMapsOfTheWayDown) {
  const auto mebibytes = [](const Cost& cost) { return 4 * cost.inference_elements / (1 << 20); };
  EXPECT_NEAR(mebibytes(estimate_cost(testing::ho_cifar10(), 3, 32, 32)), 7.6, 0.2);
  ModelConfig wide;
  wide.base_width = 64;
  wide.width_multipliers = {1, 1, 2, 2};
  wide.attention = {false, false, false, true};
  EXPECT_NEAR(mebibytes(estimate_cost(wide, 3, 128, 128)), 48, 1);
}

// The numbers are peak resident sizes of trainings on two cores, in MB.
TEST(Cost, TrainingMemoryOnTheCpuIsThatOfTheProcess) {
  const auto expect = [](const Cost& cost, std::int64_t batch, double megabytes) {
    EXPECT_NEAR(training_memory_on_cpu_bytes(cost, batch) / 1e6 / megabytes, 1, 0.12) << batch;
  };
  const Cost paper = estimate_cost(testing::ho_cifar10(), 3, 32, 32);
  expect(paper, 4, 2488);
  expect(paper, 16, 3307);
  ModelConfig folder = testing::ho_cifar10();  // configs/folder.json
  folder.attention = {false, false, true, false};
  const Cost larger = estimate_cost(folder, 3, 64, 64);
  expect(larger, 4, 3229);
  expect(larger, 16, 5959);
  ModelConfig small;  // configs/quickstart.json
  small.base_width = 32;
  small.width_multipliers = {1, 2, 2};
  small.blocks_per_level = 1;
  small.attention = {false, true, false};
  small.groups = small.final_groups = 8;
  const Cost quickstart = estimate_cost(small, 1, 16, 16);
  expect(quickstart, 64, 438);
  expect(quickstart, 256, 978);
}

// The numbers are the peaks of LibTorch's allocator in trainings in bf16 on an H100, in GiB.
TEST(Cost, TrainingMemoryOnTheGpuIsWhatWasAllocated) {
  const auto expect = [](const Cost& cost, std::int64_t batch, double gibibytes) {
    EXPECT_NEAR(training_memory_on_gpu_bytes(cost, batch, true) / (1 << 30) / gibibytes, 1, 0.1)
        << batch;
  };
  ModelConfig model = testing::ho_cifar10();
  const Cost paper = estimate_cost(model, 3, 32, 32);
  expect(paper, 128, 2.84);
  expect(paper, 256, 4.9);
  expect(paper, 512, 9.12);
  model.base_width = 256;
  expect(estimate_cost(model, 3, 32, 32), 64, 4.8);
}

// The numbers are peak resident sizes on a machine with two cores, in MiB, for batches of 1, 16 and
// 64.
TEST(Cost, SamplingMemoryIsThatOfTheProcess) {
  const Cost cost = estimate_cost(testing::ho_cifar10(), 3, 32, 32);
  for (const auto& [batch, measured] : {std::pair{1, 532.0}, {16, 630.0}, {64, 1232.0}})
    EXPECT_NEAR(sampling_memory_bytes(cost, batch, false) / (1 << 20) / measured, 1, 0.1) << batch;
  EXPECT_LT(sampling_memory_bytes(cost, 64, true), 0.7 * sampling_memory_bytes(cost, 64, false));
}

}  // namespace
}  // namespace ddpm
