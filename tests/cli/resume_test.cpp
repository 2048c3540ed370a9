// Exact resume: whatever interrupts a run, its weights are those of an undisturbed run.
#include <gtest/gtest.h>

#include <algorithm>

#include "ddpm/metrics/jsonl.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::content_of;
using testing::Program;
using testing::ProgramResult;

// Ten images in batches of 4 give two and a half steps per epoch. Gradients are accumulated; the
// learning rate rises until step 5 and then falls; the moving average warms up too.
class Resume : public testing::TinyRun {
 protected:
  Resume() {
    std::string idx("\0\0\x08\x03\0\0\0\x0a\0\0\0\x08\0\0\0\x08", 16);
    for (int i = 0; i < 640; ++i) idx += static_cast<char>(i * i % 251);
    folder_.write("images", idx);
  }

  static std::vector<std::string> arguments(const std::string& name,
                                            const std::vector<std::string>& settings = {},
                                            const std::vector<std::string>& options = {}) {
    std::vector<std::string> all = {
        "run.name=" + name,        "data.source=idx",
        "data.path=images",        "data.horizontal_flip=true",
        "training.steps=12",       "training.micro_batches=2",
        "training.warmup_steps=5", "training.learning_rate_schedule=cosine",
        "model.dropout=0.1",       "training.keep_checkpoints=100"};
    all.insert(all.end(), settings.begin(), settings.end());
    return training(all, options);
  }
  fs::path of_run(const std::string& name, int step) const {
    return folder_ / "runs" / name / "checkpoints" / format_text("step_{:08}", step);
  }
  void expect_equal(const fs::path& a, const fs::path& b) const {
    for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors"}) {
      ASSERT_FALSE(content_of(a / file).empty()) << a / file;
      EXPECT_TRUE(content_of(a / file) == content_of(b / file)) << b / file;
    }
  }
};

TEST_F(Resume, FromAnyStepGivesTheSameBytes) {
  ASSERT_EQ(run(arguments("straight")).code, 0);
  for (int n = 1; n <= 10; ++n) {
    const std::string name = format_text("from_{}", n);
    Program program(folder_.path(),
                    arguments(name, {format_text("training.checkpoint_every={}", n)}));
    program.wait_until([&] { return fs::exists(of_run(name, n)); });
    program.send(SIGKILL);
    program.wait();
    const ProgramResult resumed = run(arguments(name, {}, {"--resume", of_run(name, n).string()}));
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_TRUE(contains(resumed.err, format_text("at step {}\n", n))) << resumed.err;
    expect_equal(of_run("straight", 12), of_run(name, 12));
  }
}

TEST_F(Resume, AfterTwoStopsGivesTheSameBytes) {
  ASSERT_EQ(run(arguments("straight")).code, 0);
  for (const int steps : {3, 7, 12})
    ASSERT_EQ(run(arguments("parts",
                            {format_text("training.steps={}", steps),
                             "training.learning_rate_schedule=constant"},
                            {"--resume", "auto"}))
                  .code,
              0);
  ASSERT_EQ(run(arguments("constant", {"training.learning_rate_schedule=constant"})).code, 0);
  expect_equal(of_run("constant", 12), of_run("parts", 12));
}

// docs/determinism.md promises equal bytes for equal --threads. With another number only rounding
// differs.
TEST_F(Resume, WithOtherThreadsGoesOnToTheSameUpToRounding) {
  const std::vector<std::string> wide = {"model.base_width=32",
                                         "data.source=embedded",
                                         "data.path=",
                                         "training.batch_size=16",
                                         "training.steps=6",
                                         "run.threads=2",
                                         "training.learning_rate_schedule=constant"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), wide.begin(), wide.end());
    return more;
  };
  ASSERT_EQ(run(arguments("two", with({}))).code, 0);
  ASSERT_EQ(run(arguments("again", with({}))).code, 0);
  expect_equal(of_run("two", 6), of_run("again", 6));
  ASSERT_EQ(run(arguments("mixed", with({"training.steps=3"}))).code, 0);
  const ProgramResult resumed =
      run(arguments("mixed", with({"run.threads=1"}), {"--resume", "auto"}));
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_TRUE(contains(resumed.err, "run.threads from 2 to 1")) << resumed.err;
  const auto a = read_metrics(folder_ / "runs/two/metrics.jsonl"),
             b = read_metrics(folder_ / "runs/mixed/metrics.jsonl");
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    EXPECT_NEAR(metric_number(b[i], "loss") / metric_number(a[i], "loss"), 1, 1e-4) << i;
}

TEST_F(Resume, OtherImagesAreNoticed) {
  ASSERT_EQ(run(arguments("a", {"training.steps=2"})).code, 0);
  const ProgramResult same = run(arguments("a", {"training.steps=3"}, {"--resume", "auto"}));
  EXPECT_FALSE(contains(same.err, "the images have changed since the checkpoint")) << same.err;
  std::string idx = content_of(folder_ / "images");
  idx.back() = static_cast<char>(idx.back() ^ 1);
  folder_.write("images", idx);
  const ProgramResult other = run(arguments("a", {"training.steps=4"}, {"--resume", "auto"}));
  EXPECT_EQ(other.code, 0);
  EXPECT_TRUE(contains(other.err, "the images have changed since the checkpoint")) << other.err;
}

// A crash leaves half a picture, half a checkpoint and an unfinished `latest`.
TEST_F(Resume, CleansUpAfterACrash) {
  ASSERT_EQ(run(arguments("a", {"training.steps=2"})).code, 0);
  for (const char* leftover :
       {"samples/step_00000001.png.tmp", "checkpoints/.writing_step_00000003/model.safetensors.tmp",
        "checkpoints/latest.tmp", "config.json.tmp", "metrics.jsonl.tmp", "loss.png.tmp", "lock"})
    folder_.write(fs::path("runs/a") / leftover, "half");
  ASSERT_EQ(
      run(arguments("a", {"training.steps=4", "training.sample_every=0"}, {"--resume", "auto"}))
          .code,
      0);
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "runs/a")) {
    const std::string name = entry.path().filename().string();
    EXPECT_FALSE(name.starts_with(".") || name.ends_with(".tmp") || name == "lock") << entry.path();
  }
}

// Each test damages the newest checkpoint; the run resumes from the one before, with the same end.
class DamagedCheckpoint : public Resume {
 protected:
  DamagedCheckpoint() {
    EXPECT_EQ(run(arguments("sound", {"training.checkpoint_every=4"})).code, 0);
  }

  template <class Damage>
  void expect_fallback(const std::string& way, const Damage& damage) {
    const fs::path copy = folder_ / "runs/damaged";
    fs::remove_all(copy);
    fs::copy(folder_ / "runs/sound", copy, fs::copy_options::recursive);
    damage(of_run("damaged", 12));
    const ProgramResult resumed = run(arguments("damaged", {}, {"--resume", "auto"}));
    ASSERT_EQ(resumed.code, 0) << way << ": " << resumed.err;
    EXPECT_TRUE(contains(resumed.err, "at step 8\n")) << way << ": " << resumed.err;
    EXPECT_TRUE(contains(resumed.err, "damaged and ignored") ||
                !fs::exists(of_run("damaged", 12) / "MANIFEST.json") || way == "no manifest")
        << way << ": " << resumed.err;
    expect_equal(of_run("sound", 12), of_run("damaged", 12));
  }
  void flip(const fs::path& file) const {
    std::string content = content_of(file);
    content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 4);
    folder_.write(file, content);
  }
};

TEST_F(DamagedCheckpoint, IsPassedOverWithAWarning) {
  expect_fallback("a flipped bit in the weights",
                  [&](const fs::path& c) { flip(c / "model.safetensors"); });
  expect_fallback("a flipped bit in the state", [&](const fs::path& c) { flip(c / "state.json"); });
  expect_fallback("a flipped bit in the manifest",
                  [&](const fs::path& c) { flip(c / "MANIFEST.json"); });
  expect_fallback("a cut average", [&](const fs::path& c) {
    fs::resize_file(c / "ema.safetensors", fs::file_size(c / "ema.safetensors") - 1);
  });
  expect_fallback("a longer optimizer", [&](const fs::path& c) {
    folder_.write(c / "optimizer.safetensors", content_of(c / "optimizer.safetensors") + "x");
  });
  expect_fallback("no weights", [&](const fs::path& c) { fs::remove(c / "model.safetensors"); });
  expect_fallback("no manifest", [&](const fs::path& c) { fs::remove(c / "MANIFEST.json"); });
  expect_fallback("an empty state",
                  [&](const fs::path& c) { fs::resize_file(c / "state.json", 0); });
  expect_fallback("a cut manifest",
                  [&](const fs::path& c) { fs::resize_file(c / "MANIFEST.json", 100); });
  expect_fallback("weights and average swapped", [&](const fs::path& c) {
    fs::rename(c / "model.safetensors", c / "x");
    fs::rename(c / "ema.safetensors", c / "model.safetensors");
    fs::rename(c / "x", c / "ema.safetensors");
  });
  expect_fallback("files of another step", [&](const fs::path& c) {
    fs::copy_file(of_run("damaged", 8) / "model.safetensors", c / "model.safetensors",
                  fs::copy_options::overwrite_existing);
  });
  expect_fallback("a folder in place of a file", [&](const fs::path& c) {
    fs::remove(c / "ema.safetensors");
    fs::create_directory(c / "ema.safetensors");
  });
}

TEST_F(DamagedCheckpoint, WithoutAnyOtherIsAnErrorNotAFreshStart) {
  for (const int step : {4, 8, 12}) flip(of_run("sound", step) / "model.safetensors");
  const ProgramResult latest = run(arguments("sound", {}, {"--resume", "latest"}));
  EXPECT_EQ(latest.code, 4) << latest.err;
  const ProgramResult automatic = run(arguments("sound", {}, {"--resume", "auto"}));
  EXPECT_EQ(automatic.code, 4) << automatic.err;
  EXPECT_TRUE(contains(automatic.err, "--overwrite")) << automatic.err;
  EXPECT_TRUE(fs::exists(of_run("sound", 12)));
}

}  // namespace
}  // namespace ddpm
