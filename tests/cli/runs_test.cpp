#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ddpm/base/file.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

using nlohmann::json;
using testing::contains;
using testing::ProgramResult;

class Runs : public testing::TinyRun {};

TEST_F(Runs, AreListedWithWhatIsKnownOfThem) {
  const ProgramResult none = run({"runs"});
  EXPECT_EQ(none.code, 0);
  EXPECT_EQ(none.out, "");
  EXPECT_TRUE(contains(none.err, "no runs in 'runs'")) << none.err;
  ASSERT_EQ(train().code, 0);
  ASSERT_EQ(
      train({"--set", "run.name=b", "--max-minutes", "1e-9", "--set", "training.steps=7"}).code, 0);
  const ProgramResult text = run({"runs"});
  EXPECT_EQ(text.code, 0);
  EXPECT_EQ(text.err, "");
  for (const char* part : {"name", "a ", "2 / 2", "b ", " / 7", "KiB"})
    EXPECT_TRUE(contains(text.out, part)) << text.out;
  const json list = json::parse(run({"runs", "--json"}).out);
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].at("name"), "a");
  EXPECT_EQ(list[0].at("path"), "runs/a");
  EXPECT_EQ(list[0].at("step"), 2);
  EXPECT_EQ(list[0].at("steps"), 2);
  EXPECT_GT(list[0].at("loss"), 0);
  EXPECT_GT(list[0].at("disk_bytes"), 10000);
  EXPECT_TRUE(list[0].at("problem").is_null());
  EXPECT_EQ(list[0].at("saved").get<std::string>().size(),
            std::string("2026-01-01T00:00:00Z").size());
  EXPECT_EQ(list[1].at("steps"), 7);
}

TEST_F(Runs, ThatAreDamagedSaySo) {
  ASSERT_EQ(train().code, 0);
  folder_.write("runs/a/config.json", "{");
  folder_.write("runs/b/checkpoints/latest", "step_00000001\n");
  const ProgramResult text = run({"runs"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_TRUE(contains(text.out, "runs/a/config.json")) << text.out;
  const json list = json::parse(run({"runs", "--json"}).out);
  ASSERT_EQ(list.size(), 2U);
  EXPECT_FALSE(list[0].at("problem").is_null());
  EXPECT_FALSE(list[1].at("problem").is_null());
  EXPECT_EQ(list[1].at("name"), "a");  // a run without a checkpoint comes first
  EXPECT_EQ(list[1].at("step"), 2);
}

TEST_F(Runs, InAFolderThatIsNoneAreAnError) {
  const ProgramResult result = run({"runs", "nowhere"});
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(contains(result.err, "'nowhere'")) << result.err;
}

}  // namespace
}  // namespace ddpm
