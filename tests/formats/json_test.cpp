#include "ddpm/formats/json.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;

std::string error_of(const std::string& text) {
  return testing::message_of<CheckpointError>([&] { parse_json(text, "x.json"); });
}

TEST(Json, ReadsADocument) {
  const nlohmann::json document = parse_json(R"({"a": [1, {"b": null}], "c": {"a": 2}})", "x.json");
  EXPECT_EQ(document["a"][0], 1);
  EXPECT_EQ(document["c"]["a"], 2);
}

TEST(Json, RefusesWhatIsBrokenOrAmbiguous) {
  EXPECT_TRUE(contains(error_of("{\"a\": 1"), "x.json: not valid JSON"));
  EXPECT_TRUE(contains(error_of(""), "not valid JSON"));
  EXPECT_TRUE(contains(error_of(R"({"b": {"a": 1, "a": 2}})"), "key 'a' appears twice"));
}

TEST(Json, RefusesDepthAndLength) {
  EXPECT_TRUE(contains(error_of(std::string(100'000, '[')), "nested deeper than 32"));
  std::string deep;
  for (int i = 0; i < 50'000; ++i) deep += "{\"a\":";
  EXPECT_TRUE(contains(error_of(deep), "nested deeper than 32"));
  EXPECT_TRUE(contains(error_of(std::string(kMaxJsonBytes + 1, ' ')), "more than"));
}

TEST(Json, NamesAFileThatIsMissing) {
  const testing::TemporaryFolder folder;
  EXPECT_TRUE(
      contains(testing::message_of<CheckpointError>([&] { read_json_file(folder / "none.json"); }),
               "none.json"));
}

}  // namespace
}  // namespace ddpm
