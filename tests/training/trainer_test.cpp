#include "ddpm/training/trainer.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <limits>

#include "ddpm/base/error.h"
#include "ddpm/data/load.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/io/weights.h"
#include "support/files.h"
#include "support/fill.h"
#include "support/small_trainer.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::content_of;
using testing::cpu;
using testing::message_of;
using testing::small_config;

// --- A sequence computed by another implementation -----------------------------------------------

struct Average {
  const char* name;
  double first, norm;
};

struct Sequence {
  Initialization initialization;
  std::vector<double> losses, norms;
  std::vector<Average> averages;
};

// The config of tests/golden/loss_sequence.py.
Config sequence_config(Initialization initialization) {
  Config config;
  config.run.seed = 20000000011;
  config.model.base_width = 32;
  config.model.width_multipliers = {1, 2};
  config.model.attention = {false, true};
  config.model.blocks_per_level = 1;
  config.model.groups = config.model.final_groups = 8;
  config.model.dropout = 0;
  config.model.initialization = initialization;
  config.training.batch_size = 8;
  config.training.learning_rate = 1e-3;
  config.training.warmup_steps = 4;
  return config;
}

void expect_sequence(const Sequence& expected) {
  const ImageStore images = load_images(DataConfig{});
  Trainer trainer(sequence_config(expected.initialization), images, cpu());
  double loss_sum = 0;
  for (std::size_t i = 0; i < expected.losses.size(); ++i) {
    trainer.step();
    const TrainingTotals totals = trainer.totals();
    EXPECT_NEAR((totals.loss_sum - loss_sum) / expected.losses[i], 1, 1e-4) << "step " << i + 1;
    EXPECT_NEAR(totals.gradient_norm / expected.norms[i], 1, 1e-3) << "step " << i + 1;
    loss_sum = totals.loss_sum;
  }
  trainer.with_average_weights([&](UNet& net) {
    const auto weights = net->named_parameters();
    for (const Average& average : expected.averages) {
      const torch::Tensor w = weights[average.name].detach().to(torch::kFloat64);
      EXPECT_NEAR(w.contiguous().flatten()[0].item<double>(), average.first,
                  1e-4 * w.abs().max().item<double>())
          << average.name;
      EXPECT_NEAR(w.norm().item<double>() / average.norm, 1, 1e-4) << average.name;
    }
  });
}

// tests/golden/loss_sequence.py printed the numbers.
TEST(TrainerSequence, FollowsAnIndependentImplementationFromHosInitialization) {
  expect_sequence({.initialization = Initialization::kHo,
                   .losses = {1.0255582, 0.9914244, 0.9753619, 0.8897692, 0.8804154, 0.8182926,
                              0.7285139, 0.7108473, 0.6165864, 0.5135561},
                   .norms = {4.3501059, 3.3505113, 2.7810786, 4.0750992, 3.8945779, 3.9787413,
                             3.6715475, 3.7699983, 3.6691764, 3.4388898},
                   .averages = {{"conv_in.weight", 0.03878456, 1.40608115},
                                {"mid_block.attentions.0.to_v.weight", -0.18951896, 7.99656899},
                                {"up_blocks.0.resnets.1.conv1.bias", -0.00183393, 0.01476011},
                                {"conv_norm_out.weight", 1.00625293, 5.68972109},
                                {"conv_out.weight", -0.00705179, 0.11697806}}});
}

TEST(TrainerSequence, FollowsAnIndependentImplementationFromPyTorchsInitialization) {
  expect_sequence({.initialization = Initialization::kPytorch,
                   .losses = {1.0758838, 0.8613014, 0.7260997, 0.5285415, 0.2761424, 0.2884613,
                              0.2519089, 0.1832475, 0.1798115, 0.1217802},
                   .norms = {5.8601738, 4.1011990, 3.5727228, 7.1274720, 1.9771025, 2.6921973,
                             1.6631775, 0.7174859, 0.6651945, 0.7223634},
                   .averages = {{"conv_in.weight", 0.07150135, 3.24501837},
                                {"mid_block.attentions.0.to_v.weight", -0.11279346, 4.61955503},
                                {"up_blocks.0.resnets.1.conv1.bias", 0.03180577, 0.16035641},
                                {"conv_norm_out.weight", 0.99730790, 5.66083612},
                                {"conv_out.weight", -0.03054146, 0.58238544}}});
}

// --- Trainers of small images --------------------------------------------------------------------

using TrainerTest = testing::SmallTrainer;

TEST_F(TrainerTest, CountsStepsAndImages) {
  Trainer trainer = make(small_config());
  EXPECT_EQ(trainer.steps_done(), 0);
  steps(trainer, 3);
  EXPECT_EQ(trainer.steps_done(), 3);
  EXPECT_EQ(trainer.images_seen(), 24);
  EXPECT_EQ(trainer.totals().steps, 3);
}

// The gradient of the batch is the mean of the micro-batches' gradients, also with dropout.
TEST_F(TrainerTest, MicroBatchesGiveTheUpdateOfTheWholeBatch) {
  Config config = small_config();
  Trainer whole = make(config);
  config.training.micro_batches = 4;
  Trainer parts = make(config);
  for (int i = 0; i < 3; ++i) {
    whole.step();
    parts.step();
    EXPECT_NEAR(parts.totals().loss_sum / whole.totals().loss_sum, 1, 1e-5);
    EXPECT_NEAR(parts.totals().gradient_norm / whole.totals().gradient_norm, 1, 1e-4);
  }
  const fs::path a = save(whole, "whole"), b = save(parts, "parts");
  expect_near(a / "optimizer.safetensors", b / "optimizer.safetensors", 1e-3);
  expect_near(a / "model.safetensors", b / "model.safetensors", 1e-4);
}

// With this config steps do not change the weights, so trainers with different gradients can be
// compared, and Adam's first moment is the gradient of the last step.
Config config_that_shows_gradients() {
  Config config = small_config();
  config.data.horizontal_flip = true;
  config.training.learning_rate = config.training.ema_decay = config.training.beta1 = 0;
  config.training.clip_norm = 0;
  return config;
}

class SharedTraining : public TrainerTest {
 protected:
  struct Step {
    double loss;
    torch::Tensor gradient;  // of all parameters, concatenated
  };

  // Returns the third step, so that the data and all random numbers have advanced.
  Step third_step(const Config& config, World world = {}) {
    testing::LonelyRank rank(world);
    Trainer trainer = make(config, rank);
    steps(trainer, 2);
    const TrainingTotals before = trainer.totals();
    trainer.step();
    std::vector<torch::Tensor> parts;
    for (const NamedTensor& named : trainer.snapshot().optimizer)
      if (named.name.starts_with("exp_avg.")) parts.push_back(named.tensor.flatten().clone());
    return {.loss = trainer.totals().mean_loss_since(before), .gradient = torch::cat(parts)};
  }
};

// Rank r draws the images, flips, timesteps, noise and dropout that micro-batch r of one process
// draws. Both ways add the same two numbers, so the results are equal bit for bit.
TEST_F(SharedTraining, TwoRanksComputeTheTwoMicroBatchesOfOneProcess) {
  Config config = config_that_shows_gradients();
  const Step first = third_step(config, {.rank = 0, .size = 2}),
             second = third_step(config, {.rank = 1, .size = 2});
  config.training.micro_batches = 2;
  const Step whole = third_step(config);
  EXPECT_EQ(first.loss + second.loss, whole.loss);
  EXPECT_GT(whole.gradient.abs().max().item<double>(), 0);
  EXPECT_TRUE(torch::equal(first.gradient + second.gradient, whole.gradient));
  EXPECT_FALSE(torch::equal(first.gradient, second.gradient));
}

TEST_F(SharedTraining, RanksSplitTheirRowsIntoMicroBatches) {
  Config config = config_that_shows_gradients();
  const Step whole = third_step(config);
  config.training.micro_batches = 2;
  Step sum = third_step(config, {.rank = 0, .size = 4});
  for (std::int64_t rank = 1; rank < 4; ++rank) {
    const Step share = third_step(config, {.rank = rank, .size = 4});
    sum.loss += share.loss;
    sum.gradient += share.gradient;
  }
  EXPECT_NEAR(sum.loss / whole.loss, 1, 1e-6);
  EXPECT_LE((sum.gradient - whole.gradient).norm().item<double>(),
            1e-5 * whole.gradient.norm().item<double>());
}

// These two ranks do not add their gradients.
TEST_F(SharedTraining, AChecksumTellsWeightsApart) {
  testing::LonelyRank first({.rank = 0, .size = 2}), second({.rank = 1, .size = 2});
  Trainer a = make(small_config(), first), b = make(small_config(), first),
          c = make(small_config(), second);
  EXPECT_EQ(a.checksum(), c.checksum());
  for (Trainer* trainer : {&a, &b, &c}) steps(*trainer, 2);
  EXPECT_EQ(a.checksum(), b.checksum());
  EXPECT_NE(a.checksum(), c.checksum());
}

TEST_F(SharedTraining, RefusesABatchThatDoesNotSplitEvenly) {
  Config config = small_config();
  config.training.micro_batches = 2;
  EXPECT_EQ(message_of<ConfigError>([&] {
              testing::LonelyRank rank({.rank = 0, .size = 3});
              make(config, rank);
            }),
            "config: training.batch_size = 8 and training.micro_batches = 2: a batch must split "
            "evenly among 3 processes and their micro-batches; set training.batch_size to a "
            "multiple of 6");
}

TEST_F(TrainerTest, SavedStateContinuesToTheSameBytes) {
  Trainer straight = make(small_config());
  steps(straight, 3);
  const fs::path saved = save(straight, "three");
  Trainer restored = make(small_config());
  restored.step();
  restored.load(saved);
  EXPECT_EQ(restored.steps_done(), 3);
  EXPECT_EQ(restored.images_seen(), 24);
  steps(straight, 2);
  steps(restored, 2);
  const fs::path a = save(straight, "a"), b = save(restored, "b");
  for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors"})
    EXPECT_TRUE(content_of(a / file) == content_of(b / file)) << file;
  EXPECT_EQ(restored.totals().steps, 2);  // counts only the steps of this trainer
}

TEST_F(TrainerTest, SavesWhatItSays) {
  Trainer trainer = make(small_config());
  trainer.step();
  const fs::path saved = save(trainer, "a");
  const SafetensorsFile model(saved / "model.safetensors"), ema(saved / "ema.safetensors"),
      optimizer(saved / "optimizer.safetensors");
  EXPECT_EQ(optimizer.tensors().size(), 2 * model.tensors().size());
  EXPECT_EQ(ema.tensors().size(), model.tensors().size());
  for (const TensorView& view : model.tensors()) {
    EXPECT_EQ(view.dtype, DType::kF32);
    EXPECT_EQ(ema.get(view.name).shape, view.shape);
    EXPECT_EQ(optimizer.get("exp_avg." + view.name).shape, view.shape);
    EXPECT_EQ(optimizer.get("exp_avg_sq." + view.name).shape, view.shape);
  }
  // After the first step v = (1 - beta2) g^2 and m = (1 - beta1) g.
  const torch::Tensor m = tensor(saved / "optimizer.safetensors", "exp_avg.conv_in.weight"),
                      v = tensor(saved / "optimizer.safetensors", "exp_avg_sq.conv_in.weight");
  EXPECT_GT(m.abs().max().item<double>(), 0);
  EXPECT_TRUE(torch::allclose(v, 0.001 * (m / 0.1).pow(2), 1e-3, 1e-12));
}

TEST_F(TrainerTest, RefusesACheckpointOfAnotherNetwork) {
  Trainer trainer = make(small_config());
  trainer.step();
  const fs::path saved = save(trainer, "a");
  Config wider = small_config();
  wider.model.base_width = 16;
  Trainer other = make(wider);
  const std::string message = message_of<CheckpointError>([&] { other.load(saved); });
  EXPECT_TRUE(contains(message, "model.safetensors")) << message;
  EXPECT_TRUE(contains(message, "wrong shape: conv_in.")) << message;
  fs::remove(saved / "optimizer.safetensors");
  EXPECT_THROW(make(small_config()).load(saved), CheckpointError);
}

TEST_F(TrainerTest, StopsAtAPoisonedWeightAndLeavesTheOthersAlone) {
  Config config = small_config();
  config.training.ema_decay = 0;
  Trainer trainer = make(config);
  steps(trainer, 2);
  std::vector<torch::Tensor> before;
  trainer.with_average_weights([&](UNet& net) {
    torch::NoGradGuard no_grad;
    net->parameters()[0].view({-1})[5] = std::numeric_limits<float>::quiet_NaN();
    for (const torch::Tensor& p : net->parameters()) before.push_back(p.clone());
  });
  steps(trainer, 3);
  EXPECT_TRUE(
      contains(message_of<NonFiniteError>([&] { trainer.totals(); }), "step 3 (learning rate"));
  EXPECT_THROW(save(trainer, "poisoned"), NonFiniteError);
  EXPECT_FALSE(fs::exists(folder_ / "poisoned/model.safetensors"));
  trainer.with_average_weights([&](UNet& net) {
    for (std::size_t i = 0; i < before.size(); ++i)
      EXPECT_TRUE(torch::allclose(net->parameters()[i], before[i], 0, 0, /*equal_nan=*/true));
  });
}

TEST_F(TrainerTest, NamesTheStepThatDivergedAlsoAfterResume) {
  Config config = small_config();
  Trainer sound = make(config);
  steps(sound, 4);
  const fs::path saved = save(sound, "sound");
  config.training.learning_rate = 1e30;
  config.training.ema_decay = 0;
  Trainer trainer = make(config);
  trainer.load(saved);
  trainer.step();  // the gradient is finite, the update is absurd
  EXPECT_EQ(trainer.totals().steps, 1);
  std::vector<torch::Tensor> before;
  trainer.with_average_weights([&](UNet& net) {
    for (const torch::Tensor& p : net->parameters()) before.push_back(p.detach().clone());
  });
  steps(trainer, 2);
  EXPECT_TRUE(
      contains(message_of<NonFiniteError>([&] { trainer.totals(); }), "step 6 (learning rate"));
  trainer.with_average_weights([&](UNet& net) {
    for (std::size_t i = 0; i < before.size(); ++i)
      EXPECT_TRUE(torch::equal(net->parameters()[i], before[i]));
  });
}

TEST_F(TrainerTest, ComputesInBfloat16CloseToFloat32) {
  Trainer exact = make(small_config());
  Runtime rounded = cpu();
  rounded.compute_dtype = torch::kBFloat16;
  Trainer trainer(small_config(), images_, rounded);
  for (int i = 0; i < 20; ++i) {
    exact.step();
    trainer.step();
  }
  EXPECT_NEAR(trainer.totals().loss_sum / exact.totals().loss_sum, 1, 0.02);
  EXPECT_NEAR(trainer.totals().gradient_norm / exact.totals().gradient_norm, 1, 0.2);
  // The master weights are float32, so they can change by less than bfloat16 can represent.
  const fs::path a = save(exact, "exact"), b = save(trainer, "rounded");
  const torch::Tensor w = tensor(b / "model.safetensors", "conv_in.weight");
  EXPECT_FALSE(torch::equal(w, w.to(torch::kBFloat16).to(torch::kFloat32)));
  EXPECT_LT((w - tensor(a / "model.safetensors", "conv_in.weight")).abs().max().item<double>(),
            0.01);
  trainer.with_average_weights(
      [&](UNet& net) { EXPECT_EQ(net->parameters()[0].scalar_type(), torch::kBFloat16); });
}

TEST_F(TrainerTest, WithoutAveragingThereIsOneSetOfWeights) {
  Config config = small_config();
  config.training.ema_decay = 0;
  Trainer trainer = make(config);
  steps(trainer, 2);
  const fs::path saved = save(trainer, "a");
  EXPECT_FALSE(fs::exists(saved / "ema.safetensors"));
  const torch::Tensor raw = tensor(saved / "model.safetensors", "conv_in.weight");
  trainer.with_average_weights([&](UNet& net) {
    EXPECT_TRUE(torch::equal(net->named_parameters()["conv_in.weight"], raw));
  });
  // If it is switched on later, the average starts from the weights.
  Trainer later = make(small_config());
  later.load(saved);
  later.with_average_weights([&](UNet& net) {
    EXPECT_TRUE(torch::equal(net->named_parameters()["conv_in.weight"], raw));
  });
}

TEST_F(TrainerTest, PutsTheTrainedWeightsBackAfterUsingTheAverage) {
  Trainer a = make(small_config()), b = make(small_config());
  steps(a, 3);
  steps(b, 3);
  try {
    a.with_average_weights([](UNet&) { throw std::runtime_error("preview failed"); });
    ADD_FAILURE();
  } catch (const std::runtime_error&) {
  }
  a.step();
  b.step();
  EXPECT_EQ(a.totals().loss_sum, b.totals().loss_sum);
  EXPECT_TRUE(content_of(save(a, "a") / "model.safetensors") ==
              content_of(save(b, "b") / "model.safetensors"));
}

TEST_F(TrainerTest, OverfitsOneImage) {
  Config config = small_config();
  config.training.learning_rate = 3e-3;
  config.model.dropout = 0;
  const ImageStore one(
      {.stored_height = 8, .stored_width = 8, .channels = 1, .height = 8, .width = 8},
      std::vector<std::uint8_t>(64, 200), {-1});
  Trainer trainer(config, one, cpu());
  steps(trainer, 150);
  const double before = trainer.totals().loss_sum;
  steps(trainer, 50);
  EXPECT_LT((trainer.totals().loss_sum - before) / 50, 0.35);  // predicting zero gives 1
}

}  // namespace
}  // namespace ddpm
