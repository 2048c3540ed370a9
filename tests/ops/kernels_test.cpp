// Compares kernels with LibTorch's operators in float64, forward and backward, on a GPU.
#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/types.h>

#include <limits>
#include <random>

#include "ddpm/data/batch_source.h"
#include "ddpm/device/replay.h"
#include "ddpm/device/runtime.h"
#include "ddpm/device/step_inputs.h"
#include "ddpm/ops/adam.h"
#include "ddpm/ops/attention.h"
#include "ddpm/ops/dropout.h"
#include "ddpm/ops/geglu.h"
#include "ddpm/ops/gradients.h"
#include "ddpm/ops/group_norm.h"
#include "ddpm/ops/linear.h"
#include "ddpm/ops/sampler_step.h"
#include "ddpm/ops/timestep_embedding.h"
#include "kernels_fixture.h"
#include "sampler_rows.h"

namespace ddpm {
namespace {

INSTANTIATE_TEST_SUITE_P(Types, Kernels, ::testing::Values(torch::kFloat32, torch::kBFloat16),
                         [](const auto& one) {
                           return one.param == torch::kFloat32 ? "fp32" : "bf16";
                         });

struct NormCase {
  std::int64_t n, c1, c2, h, w, groups;
  bool silu, shift, dropout;
};

TEST_P(Kernels, GroupNorm) {
  const NormCase cases[] = {{2, 128, 0, 32, 32, 32, true, true, true},
                            {3, 256, 128, 32, 32, 32, true, false, false},
                            {1, 64, 0, 5, 7, 64, false, false, false},
                            {4, 40, 0, 3, 3, 5, true, true, false},
                            {2, 256, 256, 4, 4, 8, true, false, true},
                            {512, 32, 0, 4, 4, 4, true, true, true},
                            {1, 24, 0, 9, 11, 4, true, true, false},
                            {2, 64, 0, 96, 64, 32, true, true, true},
                            {2, 20, 0, 6, 6, 4, true, true, true},
                            // Large images: the blocks of a cluster share them.
                            {2, 320, 0, 64, 64, 32, true, true, true},
                            {2, 640, 320, 64, 64, 32, true, false, false},
                            {1, 640, 0, 32, 31, 32, true, true, false},
                            {2, 1280, 1280, 8, 8, 32, true, false, false},
                            {1, 320, 0, 63, 61, 32, false, false, false},
                            {1, 64, 0, 9, 1, 8, true, true, false}};
  for (const NormCase& k : cases) {
    const std::int64_t c = k.c1 + k.c2;
    const ops::Draw host(
        RandomKey{.seed = 5, .stream = RandomStream::kDropout, .step = 3, .sample = 70});
    const ops::Draw device(host.key, torch::tensor({3, 70}, torch::kInt64).cuda());
    const auto run = [&](const std::vector<Tensor>& in, const ops::Draw& draw) {
      const ops::GroupNormOutput out =
          ops::group_norm({.x = in[0], .skip = in[1], .shift = in[2]}, in[3], in[4],
                          {.groups = k.groups,
                           .epsilon = 1e-5,
                           .silu = k.silu,
                           .dropout = k.dropout ? 0.1 : 0,
                           .draw = k.dropout ? std::optional(draw) : std::nullopt});
      // The input that the norm passes on, so that its gradient is added too.
      return std::vector<Tensor>{out.y,
                                 out.skip.defined() ? torch::cat({out.x, out.skip}, 1) : out.x};
    };
    expect_same(
        "group_norm",
        {random({k.n, k.c1, k.h, k.w}, 1, 2), k.c2 > 0 ? random({k.n, k.c2, k.h, k.w}) : Tensor(),
         k.shift ? random({k.n, c}) : Tensor(), random({c}, 0.2, 1), random({c}, 0.2)},
        [&](const auto& in) { return run(in, device); },
        [&](const auto& in) { return run(in, host); });
  }
}

TEST(KernelTimestepEmbedding, AgreesWithTheDefinition) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU";
  set_up_runtime({.device = "cuda", .precision = Precision::kFp32});
  for (const bool cosine_first : {false, true})
    for (const bool half_minus_one : {false, true})
      for (const std::int64_t width : {32, 37, 128}) {
        const ops::TimestepEmbeddingOptions options{
            .width = width, .cosine_first = cosine_first, .half_minus_one = half_minus_one};
        const Tensor t = torch::tensor({0, 1, 17, 500, 998, 999}, torch::kInt64);
        const Tensor same = torch::tensor({999}, torch::kInt64).expand({6});
        const Tensor fractions = torch::tensor({0.25, 1.0, 500.5, 999.0}).to(torch::kFloat32);
        for (const Tensor& times : {t, same, fractions}) {
          const Tensor expected = ops::timestep_embedding(times.to(torch::kFloat64), options);
          const Tensor actual = ops::timestep_embedding(times.cuda(), options);
          EXPECT_EQ(actual.scalar_type(), torch::kFloat32);
          // A float32 angle of up to 999 is exact to 6e-5.
          EXPECT_TRUE(torch::allclose(actual.cpu().to(torch::kFloat64), expected, 0, 2e-4));
        }
      }
}

TEST_P(Kernels, PointwiseConvolution) {
  const auto run = [](const std::vector<Tensor>& x) {
    return std::vector<Tensor>{
        ops::pointwise_convolution(x[0], x[1], x[2], x[3], {.value = x[4], .bias = x[5]})};
  };
  const Tensor none;
  for (const auto& [in, skip, out] :
       std::vector<std::array<std::int64_t, 3>>{{48, 24, 32}, {20, 7, 12}, {5, 3, 33}}) {
    const Tensor x = random({2, in, 5, 6}), other = random({2, skip, 5, 6}), bias = random({out});
    const Tensor joint = random({out, in + skip, 1, 1}, 0.1), own = random({out, in}, 0.1);
    const Tensor residual = random({2, out, 5, 6}), residual_bias = random({out});
    expect_same("two inputs", {x, other, joint, bias, none, none}, run, run);
    expect_same("two inputs, residual", {x, other, joint, bias, residual, residual_bias}, run, run);
    expect_same("residual", {x, none, own, bias, residual, none}, run, run);
    expect_same("residual and bias", {x, none, own, bias, residual, residual_bias}, run, run);
  }
}

TEST_P(Kernels, Linear) {
  const auto run = [](const std::vector<Tensor>& x) {
    return std::vector<Tensor>{ops::linear(x[0], x[1], x[2])};
  };
  expect_same("linear", {random({3, 7, 48}), random({40, 48}, 0.1), random({40})}, run, run);
}

TEST_P(Kernels, LinearWithResidual) {
  const auto run = [](const std::vector<Tensor>& x) {
    return std::vector<Tensor>{ops::linear(x[0], x[1], x[2], x[3])};
  };
  expect_same("linear with residual",
              {random({3, 10, 64}), random({40, 64}, 0.1), random({40}), random({3, 10, 40})}, run,
              run);
}

// Vectors of channels, and a number of them that is none.
TEST_P(Kernels, Geglu) {
  const torch::NoGradGuard no_grad;
  for (const std::int64_t channels : {64, 5}) {
    const Tensor x = random({2, 7, 2 * channels}, /*scale=*/2);
    const Tensor gates = x.narrow(2, channels, channels);
    const Tensor expected =
        x.narrow(2, 0, channels) * gates * (1 + torch::erf(gates / std::sqrt(2.0))) / 2;
    expect_close(ops::geglu(on_gpu(x)), expected, "geglu");
  }
}

TEST_P(Kernels, Attention) {
  for (const std::int64_t heads : {1, 2})
    for (const std::int64_t tokens : {16, 64, 100, 256}) {
      const auto run = [&](const std::vector<Tensor>& x) {
        return std::vector<Tensor>{ops::attention(x[0], heads, ops::HeadOrder::kBlocks)};
      };
      expect_same("attention", {random({2, tokens, 3 * 64})}, run, run);
    }
}

TEST_P(Kernels, Adam) {
  const std::int64_t count = 64 * 1001;
  for (const bool decoupled : {false, true}) {
    const ops::AdamOptions options{.weight_decay = 0.01, .clip_norm = 1, .decoupled = decoupled};
    const Tensor weights = torch::randn({count}), gradients = random({count});
    const auto state = [&](torch::Device device) {
      return ops::AdamState{.weights = weights.to(device).clone(),
                            .exp_avg = torch::full({count}, 0.01f, device),
                            .exp_avg_sq = torch::full({count}, 0.02f, device),
                            .average = weights.to(device).clone(),
                            .copy = weights.to(device, torch::kBFloat16)};
    };
    ops::AdamSchedule schedule{.step = 5, .learning_rate = 0.1, .average_share = 0.3};
    const ops::AdamState cpu = state(torch::kCPU), gpu = state(torch::kCUDA);
    const Tensor cpu_gradients = gradients.to(torch::kFloat32);
    ops::adam_step(cpu, cpu_gradients, ops::gradient_norm(cpu_gradients), schedule, options);
    const auto scalars = ops::adam_scalars(schedule, options);
    schedule.on_device = torch::tensor(std::vector<double>(scalars.begin(), scalars.end()))
                             .to(torch::kCUDA, torch::kFloat32);
    const Tensor gpu_gradients = on_gpu(gradients).detach();
    ops::adam_step(gpu, gpu_gradients, ops::gradient_norm(gpu_gradients), schedule, options);
    EXPECT_TRUE(torch::allclose(gpu.weights.cpu(), cpu.weights, 1e-5, 1e-6));
    EXPECT_TRUE(torch::allclose(gpu.exp_avg.cpu(), cpu.exp_avg, 1e-5, 1e-7));
    EXPECT_TRUE(torch::allclose(gpu.exp_avg_sq.cpu(), cpu.exp_avg_sq, 1e-5, 1e-7));
    EXPECT_TRUE(torch::allclose(gpu.average.cpu(), cpu.average, 1e-5, 1e-6));
    EXPECT_TRUE(torch::equal(gpu.copy, gpu.weights.to(torch::kBFloat16)));
  }
}

TEST_P(Kernels, GatherTakesTensorsThatLieDifferently) {
  const Tensor a = on_gpu(random({16, 8, 3, 3})).detach();
  const Tensor b = on_gpu(random({77})).detach();
  const Tensor flat = torch::zeros({64 * 40}, a.options());
  const std::vector<Tensor> targets = {flat.as_strided({16, 8, 3, 3}, {72, 1, 24, 8}, 64),
                                       flat.as_strided({77}, {1}, 1280)};
  ops::gather(std::vector<Tensor>{a, b}, targets, false);
  ops::gather(std::vector<Tensor>{a.contiguous(), b}, targets, true);
  EXPECT_TRUE(torch::equal(targets[0], a * 2));
  EXPECT_TRUE(torch::equal(targets[1], b * 2));
}

TEST_P(Kernels, GatherAddsInFloat32) {
  const Tensor a = on_gpu(random({16, 8, 3, 3})).detach(), b = on_gpu(random({77})).detach();
  const Tensor flat = torch::zeros({64 * 40}, a.options().dtype(torch::kFloat32));
  const std::vector<Tensor> targets = {flat.as_strided({16, 8, 3, 3}, {72, 1, 24, 8}, 64),
                                       flat.as_strided({77}, {1}, 1280)};
  const Tensor third = on_gpu(random({77})).detach();
  ops::gather(std::vector<Tensor>{a, b}, targets, false);
  ops::gather(std::vector<Tensor>{a, third}, targets, true);
  EXPECT_TRUE(torch::equal(targets[0], a.to(torch::kFloat32) * 2));
  EXPECT_TRUE(torch::equal(targets[1], b.to(torch::kFloat32) + third.to(torch::kFloat32)));
}

TEST_P(Kernels, DropoutDrawsWhatTheCpuDraws) {
  const ops::Draw host(
      RandomKey{.seed = 5, .stream = RandomStream::kDropout, .step = 3, .sample = 70});
  const ops::Draw device(host.key, torch::tensor({3, 70}, torch::kInt64).cuda());
  const auto run = [](const ops::Draw& draw) {
    return [&draw](const std::vector<Tensor>& x) {
      return std::vector<Tensor>{ops::dropout(x[0], 0.3, draw)};
    };
  };
  expect_same("dropout", {random({3, 5, 7, 9})}, run(device), run(host));
}

TEST(KernelBatches, EqualTheCpusBitForBit) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU";
  const Runtime runtime = set_up_runtime({.device = "cuda", .precision = Precision::kFp32});
  std::vector<std::uint8_t> pixels(50 * 9 * 10 * 3);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 7);
  const ImageStore store(
      {.stored_height = 9, .stored_width = 10, .channels = 3, .height = 8, .width = 8}, pixels,
      std::vector<std::int64_t>(50, -1));
  for (const PixelRange range : {PixelRange::kSymmetric, PixelRange::kUnit}) {
    BatchRequest request{
        .count = 70, .seed = 11, .horizontal_flip = true, .random_crop = true, .range = range};
    BatchSource source(store, request, runtime.device);
    request.first_position = 12345;
    source.prepare(12345);
    const Tensor position = torch::tensor({12345}, torch::kInt64).cuda();
    EXPECT_TRUE(torch::equal(source.images(position).cpu(), make_batch(store, request).images));
  }
}

// Tries every choice of registers and switches in both layouts of the kernel. A register without a
// coefficient may hold NaN or infinity.
TEST(KernelSamplerStep, AgreesWithTheFormula) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU";
  set_up_runtime({.device = "cuda", .precision = Precision::kFp32});
  std::mt19937 engine(5);
  const auto expect_step = [&](const testing::Registers& there,
                               const ops::SamplerSwitches& switches,
                               const std::vector<std::int64_t>& shape, bool sparse) {
    const bool learned = switches.variance != ops::VarianceChannels::kIgnored;
    ops::SamplerStep row = testing::without_missing(testing::random_row(engine), there);
    ops::SamplerRegisters cpu = testing::random_registers(shape, there, learned ? 2 : 1);
    if (sparse) {
      row.next.z = row.kept.z = row.next.m1 = row.kept.m1 = row.next.p = row.kept.p = 0;
      row.from_x = row.keep_x = 0;
      cpu.z.fill_(std::numeric_limits<double>::quiet_NaN());
      if (there.history > 0) cpu.m[0].fill_(std::numeric_limits<double>::infinity());
    }
    ops::SamplerRegisters gpu = cpu;
    testing::for_each_register(gpu, [](Tensor& x) { x = x.to(torch::kCUDA, torch::kFloat32); });
    const Tensor in_place = gpu.x;
    const auto numbers = ops::sampler_row(row);
    const Tensor on_device = torch::tensor(std::vector<double>(numbers.begin(), numbers.end()))
                                 .to(torch::kCUDA, torch::kFloat32);
    ops::sampler_step(cpu, row, switches);
    // The kernel must use the row on the device, not the one given on the host.
    ops::sampler_step(gpu, {}, switches, on_device);
    const auto expect_equal = [](const Tensor& actual, const Tensor& expected) {
      ASSERT_EQ(actual.defined(), expected.defined());
      if (!actual.defined()) return;
      EXPECT_TRUE(torch::allclose(actual.cpu().to(torch::kFloat64), expected, 1e-5, 1e-5, true));
    };
    expect_equal(gpu.x, cpu.x);
    expect_equal(gpu.s, cpu.s);
    for (std::size_t i = 0; i < 3; ++i) expect_equal(gpu.m[i], cpu.m[i]);
    EXPECT_TRUE(torch::equal(in_place.nan_to_num(), gpu.x.nan_to_num())) << "not in place";
  };
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{3, 3, 5, 5}, std::vector<std::int64_t>{2, 3, 8, 8}})
    for (const bool second : {false, true})
      for (const std::size_t history : {0, 1, 2, 3})
        for (const bool sparse : {false, true}) {
          const testing::Registers there{second, history};
          expect_step(there, {}, shape, sparse);
          expect_step(there, {.threshold = 0.7, .threshold_max = 1.5}, shape, sparse);
          expect_step(there, {.variance = ops::VarianceChannels::kRange}, shape, sparse);
          expect_step(there, {.variance = ops::VarianceChannels::kItself}, shape, sparse);
        }
}

TEST(Replay, RepeatsTheWorkWithNewInputs) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU";
  const Runtime runtime = set_up_runtime({.device = "cuda", .precision = Precision::kFp32});
  StepInputs inputs(runtime.device, 1, 2);
  Replay replay(runtime.device);
  const Tensor sum = torch::zeros({}, torch::TensorOptions().device(runtime.device));
  for (int i = 1; i <= 20; ++i) {
    inputs.set(std::array{std::int64_t{i}}, std::array{0.5, 0.25});
    replay([&] { sum.add_(inputs.integers()[0] * inputs.floats().sum()); });
  }
  EXPECT_FLOAT_EQ(sum.item<float>(), 0.75f * 210);
}

}  // namespace
}  // namespace ddpm
