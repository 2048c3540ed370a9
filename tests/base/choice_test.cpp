#include "ddpm/base/choice.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "support/files.h"

namespace ddpm {
namespace {

enum class Wind { kNorth, kSouthEast };
constexpr auto choice_names(Wind) { return name_list("north", "south_east"); }
enum class Nameless { kOne };

static_assert(Choice<Wind>);
static_assert(!Choice<Nameless>);
static_assert(!Choice<int>);
static_assert(kChoices<Wind>.size() == 2);

TEST(Choice, NamesAndValuesAreInOneOrder) {
  EXPECT_EQ(kChoices<Wind>[0], Wind::kNorth);
  EXPECT_EQ(kChoices<Wind>[1], Wind::kSouthEast);
  EXPECT_EQ(name_of(Wind::kNorth), "north");
  EXPECT_EQ(name_of(Wind::kSouthEast), "south_east");
  EXPECT_EQ(format_text("from {}", Wind::kSouthEast), "from south_east");
}

TEST(Choice, IsParsedByItsExactName) {
  EXPECT_EQ(parse_choice<Wind>("south_east"), Wind::kSouthEast);
  for (const char* other : {"", "North", "north ", "south", "south_east_", "0"})
    EXPECT_EQ(parse_choice<Wind>(other), std::nullopt) << other;
}

TEST(Choice, OfAnOptionIsRefusedWithTheKnownOnes) {
  EXPECT_EQ(choose<Wind>("--wind", "north"), Wind::kNorth);
  EXPECT_EQ(testing::message_of<ConfigError>([] { choose<Wind>("--wind", "west"); }),
            "--wind: unknown 'west'; choose from north, south_east");
}

}  // namespace
}  // namespace ddpm
