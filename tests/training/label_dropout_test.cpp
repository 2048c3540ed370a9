// Trainers that drop labels.
#include <gtest/gtest.h>
#include <torch/types.h>

#include "ddpm/training/trainer.h"
#include "support/files.h"
#include "support/small_trainer.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::content_of;
using testing::cpu;
using testing::small_config;

class LabelDropout : public testing::SmallTrainer {
 protected:
  LabelDropout() {
    config_ = small_config();
    config_.model.class_embedding = ClassEmbeddingKind::kTable;
    config_.model.classes = 3;
    config_.model.null_class = true;
    config_.training.label_dropout = 0.5;
  }
  Trainer make() { return Trainer(config_, labelled_, cpu()); }
  // The null row of the table, the last of four, after two steps.
  torch::Tensor null_row() {
    Trainer trainer = make();
    steps(trainer, 2);
    const torch::Tensor table =
        tensor(save(trainer, "saved") / "model.safetensors", "class_embedding.weight");
    EXPECT_EQ(table.size(0), 4);
    return table[3].clone();
  }

  Config config_;
  ImageStore labelled_ = testing::small_images(/*classes=*/3);
};

TEST_F(LabelDropout, TrainsTheNullClass) {
  const torch::Tensor trained = null_row();
  config_.training.label_dropout = 0;
  const torch::Tensor untouched = null_row();
  EXPECT_GT((trained - untouched).abs().max().item<double>(), 1e-5);
  // Adam leaves a row alone whose gradient was always 0.
  config_.training.learning_rate = 0;
  EXPECT_TRUE(torch::equal(null_row(), untouched));
}

TEST_F(LabelDropout, IsTheSameInMicroBatchesAndAfterResuming) {
  Trainer whole = make();
  config_.training.micro_batches = 4;
  Trainer parts = make();
  steps(whole, 1);
  steps(parts, 1);
  EXPECT_NEAR(parts.totals().loss_sum / whole.totals().loss_sum, 1, 1e-5);
  const fs::path saved = save(parts, "one");
  Trainer restored = make();
  restored.load(saved);
  steps(parts, 2);
  steps(restored, 2);
  const fs::path a = save(parts, "a"), b = save(restored, "b");
  for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors"})
    EXPECT_TRUE(content_of(a / file) == content_of(b / file)) << file;
}

}  // namespace
}  // namespace ddpm
