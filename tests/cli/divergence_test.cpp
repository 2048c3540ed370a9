// Training that becomes infinite or NaN ends or skips steps, and never saves bad weights.
#include <gtest/gtest.h>

#include "support/tiny_run.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::ProgramResult;

class Divergence : public testing::TinyRun {
 protected:
  // Settings under which weights overflow within a few steps.
  static std::vector<std::string> absurd(std::vector<std::string> more = {}) {
    std::vector<std::string> settings = {"training.steps=100", "training.learning_rate=10",
                                         "training.clip_norm=0", "training.optimizer=adamw",
                                         "training.weight_decay=10"};
    settings.insert(settings.end(), more.begin(), more.end());
    return settings;
  }
};

TEST_F(Divergence, EndsWithTheGoodCheckpointUntouched) {
  ASSERT_EQ(run(training({"training.checkpoint_every=1"})).code, 0);
  const ProgramResult result =
      run(training(absurd({"training.checkpoint_every=1", "training.keep_checkpoints=1"}),
                   {"--resume", "auto"}));
  ASSERT_EQ(result.code, 5) << result.err;
  for (const char* part : {"step ", "learning rate 10", "The last losses logged were",
                           "The last good checkpoint is runs/a/checkpoints/step_"})
    EXPECT_TRUE(contains(result.err, part)) << part << " is not in: " << result.err;
  EXPECT_EQ(run({"sample", "--model", "runs/a", "--count", "1"}).code, 0);
}

TEST_F(Divergence, SkipsSoManyStepsInARowAndNoMore) {
  const ProgramResult result =
      run(training(absurd({"training.on_nonfinite=skip", "training.max_skipped_steps=3"})));
  ASSERT_EQ(result.code, 5) << result.err;
  EXPECT_TRUE(contains(result.err, "skipped 1 step of the last 1:")) << result.err;
  EXPECT_TRUE(contains(result.err, "nor was it in the 3 steps before")) << result.err;
  EXPECT_FALSE(contains(result.err, "nan,")) << result.err;
}

// A step with this rate ruins the weights. The next losses are outliers, so their steps are skipped
// until such losses are usual.
TEST_F(Divergence, LeavesOutOutliersAndSaysSo) {
  ASSERT_EQ(run(training({"training.steps=140", "training.skip_outliers=6"})).code, 0);
  const ProgramResult result =
      run(training({"training.steps=145", "training.skip_outliers=6", "training.learning_rate=0.3"},
                   {"--resume", "auto"}));
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "or the loss an outlier")) << result.err;
}

}  // namespace
}  // namespace ddpm
