#include "ddpm/device/core_sharing.h"

#include <gtest/gtest.h>

namespace ddpm {
namespace {

TEST(SharingDecision, NeedsTwoCrowdedWindowsInARow) {
  SharingDecision decision;
  EXPECT_FALSE(decision.add(0.5));
  EXPECT_FALSE(decision.add(0.05));
  EXPECT_FALSE(decision.add(0.5));
  EXPECT_TRUE(decision.add(0.5));
}

TEST(SharingDecision, EndsAfterALongerQuiet) {
  SharingDecision decision;
  decision.add(1);
  ASSERT_TRUE(decision.add(1));
  for (int i = 0; i < 19; ++i) EXPECT_TRUE(decision.add(0)) << i;
  EXPECT_TRUE(decision.add(0.05));  // neither crowded nor quiet: the count begins again
  for (int i = 0; i < 19; ++i) EXPECT_TRUE(decision.add(0)) << i;
  EXPECT_FALSE(decision.add(0));
}

TEST(CoreSharing, BeginsAndEndsAtOnce) {
  for (const int threads : {1, 2, 64}) const CoreSharing sharing(threads);
}

}  // namespace
}  // namespace ddpm
