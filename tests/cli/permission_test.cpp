// Files that the user may not read: named as that, with exit code 1, and never passed over.
#include <gtest/gtest.h>

#include <unistd.h>

#include "ddpm/base/file.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::ProgramResult;
using testing::run_program;

class Permission : public testing::TinyRun {
 protected:
  Permission() {
    fs::permissions(folder_.path(), fs::perms(0777));
    EXPECT_EQ(
        run_program(folder_.path(), training({"training.checkpoint_every=1"}), kAsNobody).code, 0);
  }
  ~Permission() override { allow(denied_); }

  static constexpr testing::Limits kAsNobody = {.nobody = true};
  static void allow(const fs::path& path) {
    std::error_code missing;
    fs::permissions(path, fs::perms(0755), missing);
  }
  // Runs the program while nobody but root may read this.
  ProgramResult run_without(const fs::path& path, std::vector<std::string> arguments) {
    denied_ = folder_ / path;
    fs::permissions(denied_, fs::perms::none);
    const ProgramResult result = run_program(folder_.path(), std::move(arguments), kAsNobody);
    allow(denied_);
    return result;
  }
  static void expect_denied(const ProgramResult& result, const std::string& path) {
    EXPECT_EQ(result.code, 1) << result.err;
    EXPECT_TRUE(contains(result.err, path) && contains(result.err, "Permission denied"))
        << result.err;
    for (const char* wrong : {"damaged", "--overwrite", "skipped"})
      EXPECT_FALSE(contains(result.err, wrong)) << result.err;
  }

 private:
  fs::path denied_;
};

TEST_F(Permission, ACheckpointIsNeitherDamagedNorSkipped) {
  const std::string newest = "runs/a/checkpoints/step_00000002";
  for (const std::string& path :
       {std::string("runs/a/checkpoints"), std::string("runs/a/checkpoints/latest"), newest,
        newest + "/model.safetensors"}) {
    expect_denied(run_without(path, training({"training.steps=3"}, {"--resume", "auto"})), path);
    expect_denied(run_without(path, {"sample", "--model", "runs/a", "--count", "1"}), path);
    expect_denied(run_without(path, {"inspect", "runs/a"}), path);
  }
  EXPECT_FALSE(fs::exists(checkpoint(3)));
}

TEST_F(Permission, AConfigIsNamed) {
  expect_denied(run_without("tiny.json", training({})), "tiny.json");
}

TEST_F(Permission, AnImageIsNotABadImage) {
  folder_.write("images/a.png", "");
  folder_.write("images/b.png", "");
  for (const char* policy : {"skip", "error"})
    expect_denied(
        run_without("images/b.png",
                    training({"run.name=b", "data.source=folder", "data.path=images",
                              "data.height=8", std::string("data.on_bad_image=") + policy})),
        "images/b.png");
  expect_denied(run_without("images", training({"run.name=b", "data.path=images"})), "images");
}

}  // namespace
}  // namespace ddpm
