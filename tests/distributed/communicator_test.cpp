#include "ddpm/distributed/communicator.h"

#include <c10/core/DeviceGuard.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/types.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "ddpm/base/log.h"
#include "ddpm/distributed/process_group.h"
#include "support/free_port.h"

namespace ddpm {
namespace {

// Runs the work of each rank in a thread. Ranks are otherwise processes, but share nothing here either. On GPUs each
// has its own.
void run_ranks(std::int64_t size, const std::function<void(ProcessGroup&, Communicator&)>& work,
               torch::DeviceType type = torch::kCPU) {
  // LibTorch has one flight recorder for all groups of a process, and threads of two groups may not use it at once.
  ::setenv("TORCH_FR_BUFFER_SIZE", "0", 1);
  ::setenv("TORCH_NCCL_TRACE_BUFFER_SIZE", "0", 1);  // its other name
  const std::uint16_t port = testing::free_port();
  std::vector<std::thread> threads;
  for (std::int64_t rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      const Launch launch{
          .world = {.rank = rank, .size = size, .local_rank = rank, .local_size = size},
          .launcher = "a test",
          .host = "127.0.0.1",
          .port = port};
      const torch::Device device(type,
                                 static_cast<c10::DeviceIndex>(type == torch::kCPU ? -1 : rank));
      const c10::DeviceGuard guard(device);
      ProcessGroup group(launch, {});
      work(group, *group.communicator(device, /*in_order=*/true));
      EXPECT_EQ(group.finish(ExitCode::kSuccess), ExitCode::kSuccess);
    });
  for (std::thread& thread : threads) thread.join();
}

// Values of very different sizes, whose sum depends on the order: (1 + 1e8) - 1e8 is not 1 + (1e8 - 1e8).
float value_of(std::int64_t rank, std::int64_t i) {
  constexpr float kSizes[] = {1.0f, 1e8f, -1e8f, 3e-5f};
  return kSizes[(rank + i) % 4] * (1.0f + 0.125f * static_cast<float>(i % 7));
}

torch::Tensor tensor_of(std::int64_t rank, std::int64_t count) {
  torch::Tensor x = torch::empty({count});
  for (std::int64_t i = 0; i < count; ++i) x.data_ptr<float>()[i] = value_of(rank, i);
  return x;
}

TEST(Communicator, AddsInTheOrderOfRanks) {
  for (const std::int64_t size : {2, 3, 4})
    for (const std::int64_t count : {1, 5, 64, 1001})
      run_ranks(size, [&](ProcessGroup& group, Communicator& communicator) {
        const torch::Tensor x = tensor_of(group.world().rank, count);
        communicator.sum(std::vector{x});
        for (std::int64_t i = 0; i < count; ++i) {
          float sum = value_of(0, i);
          for (std::int64_t rank = 1; rank < size; ++rank) sum += value_of(rank, i);
          ASSERT_EQ(std::bit_cast<std::uint32_t>(x[i].item<float>()),
                    std::bit_cast<std::uint32_t>(sum))
              << size << " ranks, value " << i << " of " << count;
        }
      });
}

TEST(Communicator, AddsOtherTypes) {
  run_ranks(3, [](ProcessGroup& group, Communicator& communicator) {
    const auto rank = static_cast<double>(group.world().rank);
    const torch::Tensor wide = torch::full({6}, 0.1 + rank, torch::kFloat64),
                        half = torch::full({130}, 1.0 + rank, torch::kBFloat16);
    communicator.sum(std::vector{wide, half});
    EXPECT_TRUE(torch::equal(wide, torch::full({6}, (0.1 + 1.1) + 2.1, torch::kFloat64)));
    EXPECT_TRUE(torch::equal(half, torch::full({130}, 6.0, torch::kBFloat16)));
  });
}

TEST(Communicator, PassesTensorsOn) {
  run_ranks(3, [](ProcessGroup& group, Communicator& communicator) {
    const std::int64_t rank = group.world().rank;
    const torch::Tensor x = torch::full({2, 5}, rank, torch::kInt64),
                        y = torch::full({3}, 0.5 + rank);
    const torch::Tensor all = communicator.gather(x);
    for (std::int64_t r = 0; r < 3; ++r)
      EXPECT_TRUE(torch::equal(all[r], torch::full({2, 5}, r, torch::kInt64)));
    communicator.broadcast(std::vector{x, y});
    EXPECT_TRUE(torch::equal(x, torch::zeros({2, 5}, torch::kInt64)));
    EXPECT_TRUE(torch::equal(y, torch::full({3}, 0.5)));
  });
}

TEST(ProcessGroup, PassesTextsOn) {
  run_ranks(3, [](ProcessGroup& group, Communicator&) {
    const std::string own = "of rank " + std::to_string(group.world().rank);
    EXPECT_EQ(group.share("a", own), "of rank 0");
    EXPECT_EQ(group.collect("b", own),
              (std::vector<std::string>{"of rank 0", "of rank 1", "of rank 2"}));
    group.require_equal("a number", "7");
    if (group.world().rank == 1)
      EXPECT_THROW(group.require_equal("a letter", "b"), ConfigError);
    else
      group.require_equal("a letter", "a");
  });
}

TEST(ProcessGroupDeathTest, EndsAJobThatMakesNoStep) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto hang = [](ProcessGroup& group, Communicator&) {
    group.limit_step_time(std::chrono::seconds(1));
    group.report(7 + group.world().rank);
    std::this_thread::sleep_for(std::chrono::minutes(1));
  };
  const auto job = [&] {
    set_up_logging({});
    run_ranks(2, hang);
  };
  EXPECT_EXIT(
      job(), ::testing::ExitedWithCode(1),
      "rank 0 on .*: has made no step for [0-9]+ s \\(training.hang_minutes\\), since step 7");
}

// Communicators are torn down before the reason is known to the store.
TEST(ProcessGroupDeathTest, TellsWhyAConnectionBroke) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto fail = [](ProcessGroup& group, Communicator&) {
    if (group.world().rank == 1) group.fail_with_others(ConnectionLost("the connection broke"));
    std::this_thread::sleep_for(std::chrono::seconds(1));
    group.fail(Error(ExitCode::kNonFinite, "the gradient is not finite"));
  };
  const auto job = [&] {
    set_up_logging({});
    run_ranks(2, fail);
  };
  EXPECT_EXIT(job(), ::testing::ExitedWithCode(5), "^error: the gradient is not finite\n$");
}

TEST(ProcessGroup, LetsOneProcessOfAHostBegin) {
  std::vector<std::int64_t> order;
  run_ranks(3, [&](ProcessGroup& group, Communicator&) {
    group.one_first_on_each_host("work", [&] {
      if (group.world().rank == 0) std::this_thread::sleep_for(std::chrono::milliseconds(200));
      static std::mutex mutex;
      const std::lock_guard lock(mutex);
      order.push_back(group.world().rank);
    });
  });
  ASSERT_EQ(order.size(), 3);
  EXPECT_EQ(order.front(), 0);
}

// With as many GPUs as the machine has, up to four.
TEST(Communicator, AddsInTheOrderOfRanksOnGpus) {
  const auto size =
      std::min<std::int64_t>(static_cast<std::int64_t>(torch::cuda::device_count()), 4);
  if (size < 2) GTEST_SKIP() << "needs two GPUs, and " << size << " can be seen";
  constexpr std::int64_t kCount = 100'003;
  run_ranks(
      size,
      [&](ProcessGroup& group, Communicator& communicator) {
        const auto device =
            torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(group.world().rank));
        const torch::Tensor x = tensor_of(group.world().rank, kCount).to(device);
        const torch::Tensor word = torch::full({6}, 1.0 + static_cast<double>(group.world().rank),
                                               torch::dtype(torch::kFloat64).device(device));
        communicator.sum(std::vector{x, word});
        torch::Tensor sum = tensor_of(0, kCount);
        for (std::int64_t rank = 1; rank < size; ++rank) sum += tensor_of(rank, kCount);
        EXPECT_TRUE(torch::equal(x.cpu(), sum));
        EXPECT_EQ(word[5].item<double>(), static_cast<double>(size * (size + 1) / 2));
        communicator.broadcast(std::vector{x});
        EXPECT_TRUE(torch::equal(communicator.gather(word)[0], word));
      },
      torch::kCUDA);
}

TEST(Communicator, AloneChangesNothing) {
  const torch::Tensor x = torch::arange(5.0);
  alone().sum(std::vector{x});
  alone().broadcast(std::vector{x});
  EXPECT_TRUE(torch::equal(x, torch::arange(5.0)));
  EXPECT_TRUE(torch::equal(alone().gather(x), x.unsqueeze(0)));
  EXPECT_EQ(alone().world().size, 1);
}

}  // namespace
}  // namespace ddpm
