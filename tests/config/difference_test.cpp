#include "ddpm/config/difference.h"

#include <gtest/gtest.h>

namespace ddpm {
namespace {

TEST(Difference, IsEmptyForEqualConfigs) {
  EXPECT_TRUE(frozen_differences(Config{}, Config{}).empty());
  EXPECT_TRUE(free_differences(Config{}, Config{}).empty());
}

TEST(Difference, TellsFrozenKeysFromOthers) {
  Config before;
  Config after;
  after.model.width_multipliers = {1, 2};
  after.run.seed = 3;
  after.training.learning_rate = 1e-3;
  after.data.path = "elsewhere";

  const std::vector<Difference> frozen = frozen_differences(before, after);
  ASSERT_EQ(frozen.size(), 2U);
  EXPECT_EQ(frozen[0].path, "run.seed");
  EXPECT_EQ(frozen[0].before, "0");
  EXPECT_EQ(frozen[0].after, "3");
  EXPECT_EQ(frozen[1].path, "model.width_multipliers");
  EXPECT_EQ(frozen[1].before, "[1, 2, 2, 2]");
  EXPECT_EQ(frozen[1].after, "[1, 2]");

  const std::vector<Difference> free = free_differences(before, after);
  ASSERT_EQ(free.size(), 2U);
  EXPECT_EQ(free[0].path, "data.path");
  EXPECT_EQ(free[0].after, "\"elsewhere\"");
  EXPECT_EQ(free[1].path, "training.learning_rate");
  EXPECT_EQ(free[1].before, "0.0002");
}

}  // namespace
}  // namespace ddpm
