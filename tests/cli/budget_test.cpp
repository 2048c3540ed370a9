// training.budget_minutes: a number of steps that is measured once.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ddpm/formats/json.h"
#include "support/files.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::content_of;
using testing::ProgramResult;

class Budget : public testing::TinyRun {
 protected:
  static constexpr const char* kBudget = "training.budget_minutes=0.02";

  std::int64_t steps() const {
    return parse_json(content_of(folder_ / "runs/a/config.json"), "config.json")
        .at("training")
        .at("steps");
  }
  std::string weights() const {
    return content_of(checkpoint(static_cast<int>(steps())) / "model.safetensors");
  }
};

TEST_F(Budget, IsTheSameRunAsOneOfThatManySteps) {
  const ProgramResult result =
      run(training({kBudget, "training.learning_rate_schedule=cosine", "training.log_every=1000"}));
  ASSERT_EQ(result.code, 0) << result.err;
  const std::int64_t fitting = steps();
  EXPECT_GT(fitting, 2);  // what tiny.json says
  EXPECT_TRUE(contains(result.err, format_text("budget: {} steps in 0.02 minutes", fitting)))
      << result.err;
  const std::string budgeted = weights();
  std::filesystem::remove_all(folder_ / "runs");
  ASSERT_EQ(run(training({format_text("training.steps={}", fitting), "training.log_every=1000",
                          "training.learning_rate_schedule=cosine"}))
                .code,
            0);
  EXPECT_EQ(weights(), budgeted);
}

TEST_F(Budget, IsMeasuredOnce) {
  ASSERT_EQ(run(training({kBudget})).code, 0);
  const std::int64_t fitting = steps();
  const ProgramResult again = run(training({kBudget}, {"--resume", "auto"}));
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_FALSE(contains(again.err, "budget:")) << again.err;
  EXPECT_EQ(steps(), fitting);
  const ProgramResult other = run(training({"training.budget_minutes=0.03"}, {"--resume", "auto"}));
  EXPECT_EQ(other.code, 2);
  EXPECT_TRUE(contains(other.err, "would be the budget of a whole run")) << other.err;
  const ProgramResult longer =
      run(training({format_text("training.steps={}", fitting + 2)}, {"--resume", "auto"}));
  EXPECT_EQ(longer.code, 0) << longer.err;
  EXPECT_EQ(steps(), fitting + 2);
}

TEST_F(Budget, IsEstimatedByADryRun) {
  const ProgramResult result = run(training({kBudget}, {"--dry-run"}));
  EXPECT_TRUE(contains(result.out, "steps within the budget")) << result.out << result.err;
  EXPECT_FALSE(contains(result.out, "time for all steps")) << result.out;
}

// All processes make as many steps as rank 0 measured.
TEST_F(Budget, IsAgreedOnBySeveralProcesses) {
  const ProgramResult result = run(training({kBudget, "run.device=cpu"}, {"--ranks", "2"}));
  if (contains(result.err, "has no gloo")) GTEST_SKIP() << result.err;
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "budget: ")) << result.err;
}

}  // namespace
}  // namespace ddpm
