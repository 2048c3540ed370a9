// Trainers with gradients that are not finite and with saves that fail.
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "ddpm/base/error.h"
#include "ddpm/runs/checkpoint_store.h"
#include "support/faulty_file_system.h"
#include "support/small_trainer.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::content_of;
using testing::Fault;
using testing::message_of;
using testing::small_config;

using SavedTrainer = testing::SmallTrainer;

// Tests make a weight NaN for some steps to imitate a gradient that overflows.
class SkippingTrainer : public testing::SmallTrainer {
 protected:
  SkippingTrainer() {
    config_.training.ema_decay = 0;
    config_.training.on_nonfinite = OnNonfinite::kSkip;
    config_.training.max_skipped_steps = 2;
  }
  static void bad_steps(Trainer& trainer, int count) {
    set_weight(trainer, std::numeric_limits<float>::quiet_NaN());
    steps(trainer, count);
  }
  static float set_weight(Trainer& trainer, float value) {
    float before = 0;
    trainer.with_average_weights([&](UNet& net) {
      torch::NoGradGuard no_grad;
      torch::Tensor weight = net->parameters()[0].view({-1})[5];
      before = weight.item<float>();
      weight.fill_(value);
    });
    return before;
  }
  Config config_ = small_config();
};

TEST_F(SkippingTrainer, LeavesBadStepsOut) {
  Trainer trainer = make(config_);
  steps(trainer, 2);
  const TrainingTotals before = trainer.totals();
  const fs::path saved = save(trainer, "before");
  const float weight = set_weight(trainer, 0);
  bad_steps(trainer, 2);
  set_weight(trainer, weight);
  const TrainingTotals after = trainer.totals();
  EXPECT_EQ(after.steps, 4);
  EXPECT_EQ(after.skipped, 2);
  EXPECT_EQ(after.loss_sum, before.loss_sum);
  EXPECT_TRUE(std::isnan(after.mean_loss_since(before)));
  // Skipped steps change nothing: weights and moments are those of before.
  for (const char* file : {"model.safetensors", "optimizer.safetensors"})
    EXPECT_TRUE(content_of(saved / file) == content_of(save(trainer, "after") / file)) << file;
  trainer.step();
  EXPECT_EQ(trainer.totals().skipped, 2);
  EXPECT_GT(trainer.totals().mean_loss_since(before), 0);
  bad_steps(trainer, 2);  // counted from 0 again after the good step
  EXPECT_EQ(trainer.totals().skipped, 4);
}

TEST_F(SkippingTrainer, EndsAfterTooManyInARow) {
  Trainer trainer = make(config_);
  steps(trainer, 1);
  const float weight = set_weight(trainer, 0);
  bad_steps(trainer, 3);
  set_weight(trainer, weight);
  trainer.step();  // the failure stays
  const std::string message = message_of<NonFiniteError>([&] { trainer.totals(); });
  EXPECT_TRUE(contains(message, "step 4 (learning rate 0.001)")) << message;
  EXPECT_THROW(trainer.snapshot(), NonFiniteError);
}

// The weights can be infinite although the gradient was finite.
TEST_F(SavedTrainer, NeverSavesWhatIsNotFinite) {
  Config config = small_config();
  config.training.ema_decay = 0;
  Trainer trainer = make(config);
  trainer.step();
  trainer.with_average_weights([&](UNet& net) {
    torch::NoGradGuard no_grad;
    net->parameters()[0].view({-1})[5] = std::numeric_limits<float>::infinity();
  });
  EXPECT_EQ(trainer.totals().steps, 1);
  EXPECT_TRUE(contains(message_of<NonFiniteError>([&] { trainer.snapshot(); }), "after step 1"));
}

TEST_F(SavedTrainer, ASnapshotStaysAsItIs) {
  Trainer trainer = make(small_config());
  steps(trainer, 2);
  const fs::path before = save(trainer, "before");
  const TrainerSnapshot snapshot = trainer.snapshot();
  steps(trainer, 2);
  fs::create_directories(folder_ / "later");
  write_snapshot(snapshot, folder_ / "later");
  for (const char* file :
       {"model.safetensors", "ema.safetensors", "optimizer.safetensors", "state.json"})
    EXPECT_TRUE(content_of(before / file) == content_of(folder_ / "later" / file)) << file;
}

TEST_F(SavedTrainer, AMissingAverageIsDamageWhereTheRunHadOne) {
  Trainer trainer = make(small_config());
  trainer.step();
  const fs::path saved = save(trainer, "a");
  fs::remove(saved / "ema.safetensors");
  EXPECT_TRUE(contains(message_of<CheckpointError>([&] { make(small_config()).load(saved); }),
                       "ema.safetensors"));
}

// tests/runs flips every bit of a checkpoint of a few bytes. This test flips 60 bits of each file
// of a real one, spread over the whole file.
TEST_F(SavedTrainer, EveryFlippedBitIsNoticed) {
  Trainer trainer = make(small_config());
  trainer.step();
  const TrainerSnapshot snapshot = trainer.snapshot();
  const fs::path saved = CheckpointStore(folder_ / "checkpoints").save(1, [&](const fs::path& f) {
    write_snapshot(snapshot, f);
  });
  for (const auto& entry : fs::directory_iterator(saved)) {
    const std::uintmax_t bits = 8 * entry.file_size();
    for (std::uintmax_t k = 0; k < 60; ++k) {
      const std::uintmax_t bit = bits * k / 60 + k % 8;
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      const auto flip = [&] {
        file.seekg(static_cast<std::streamoff>(bit / 8));
        const int byte = file.get();
        file.seekp(static_cast<std::streamoff>(bit / 8));
        file.put(static_cast<char>(byte ^ 1 << bit % 8)).flush();
      };
      flip();
      EXPECT_THROW(verify_checkpoint(saved), CheckpointError) << entry.path() << " bit " << bit;
      flip();
    }
  }
  verify_checkpoint(saved);
}

// After a crash in any operation of a save, the newest checkpoint must load, and training from it
// must give the bytes of an undisturbed run.
TEST_F(SavedTrainer, LosesNothingWhicheverOperationFails) {
  Trainer trainer = make(small_config());
  steps(trainer, 1);
  const TrainerSnapshot first = trainer.snapshot();
  steps(trainer, 1);
  const TrainerSnapshot second = trainer.snapshot();
  steps(trainer, 1);
  const std::string expected = content_of(save(trainer, "straight") / "model.safetensors");
  const auto save_to = [](CheckpointStore& store, const TrainerSnapshot& snapshot) {
    store.save(snapshot.state.step,
               [&](const fs::path& folder) { write_snapshot(snapshot, folder); });
  };
  Trainer restored = make(small_config());
  bool all_tried = false;
  int tried = 0;
  for (int n = 1; !all_tried; n += 7) {  // reaches each kind of operation in each file
    fs::remove_all(folder_ / "checkpoints");
    CheckpointStore store(folder_ / "checkpoints");
    save_to(store, first);
    testing::FaultyFileSystem faulty(Fault::kCrash, n);
    {
      const ReplaceFileSystem replaced(faulty);
      try {
        save_to(store, second);
      } catch (const Error&) {
      }
    }
    all_tried = !faulty.failed();
    if (!all_tried) faulty.lose_unsynced();
    const auto newest = CheckpointStore(folder_ / "checkpoints").newest();
    ASSERT_TRUE(newest) << "operation " << n;
    restored.load(*newest);
    EXPECT_EQ(restored.steps_done(), all_tried ? 2 : restored.steps_done());
    steps(restored, static_cast<int>(3 - restored.steps_done()));
    EXPECT_TRUE(content_of(save(restored, "restored") / "model.safetensors") == expected) << n;
    ++tried;
  }
  EXPECT_GT(tried, 20);
}

}  // namespace
}  // namespace ddpm
