// ddpm evaluate, and measuring during training.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "ddpm/formats/json.h"
#include "ddpm/image/codec.h"
#include "support/files.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::content_of;
using testing::ProgramResult;

const std::string kFeatures = DDPM_SOURCE_DIR "/tests/cli/features.ts";

class Evaluate : public testing::TinyRun {
 protected:
  Evaluate() { ::setenv("TORCH_HOME", (folder_ / "torch").c_str(), 1); }
  ~Evaluate() override { ::unsetenv("TORCH_HOME"); }

  // Pictures of 16x16 pixels whose grey values rise by `slope` from one picture to the next.
  void write_pictures(const std::string& name, int count, int slope, int offset = 0) const {
    fs::create_directories(folder_ / name);
    for (int i = 0; i < count; ++i) {
      Image image(16, 16, 3);
      for (std::size_t k = 0; k < image.pixels.size(); ++k)
        image.pixels[k] = static_cast<std::uint8_t>(
            (static_cast<std::size_t>(offset + i * slope) + k * (k % 7) % 50) % 200);
      write_png(folder_ / name / format_text("{:03}.png", i), image);
    }
  }
  ProgramResult evaluate(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "evaluate");
    arguments.insert(arguments.end(), {"--threads", "1", "--set", "data.cache=off"});
    return run(arguments);
  }
  nlohmann::json result_of(std::vector<std::string> arguments) const {
    arguments.emplace_back("--json");
    const ProgramResult result = evaluate(std::move(arguments));
    EXPECT_EQ(result.code, 0) << result.err;
    return parse_json(result.out, "output");
  }
};

TEST_F(Evaluate, ImagesAreNearestToThemselves) {
  write_pictures("a", 60, 3);
  write_pictures("b", 60, 2, 40);
  const nlohmann::json all = result_of({"--images", "a", "b", "--data", "a", "--features",
                                        kFeatures, "--metrics", "fid,kid,prdc,swd"});
  EXPECT_EQ(all.at("reference_count"), 60);
  const nlohmann::json &same = all.at("results").at(0), &other = all.at("results").at(1);
  EXPECT_EQ(same.at("name"), "a");
  EXPECT_EQ(same.at("count"), 60);
  EXPECT_NEAR(same.at("fid").get<double>(), 0, 1e-6);
  EXPECT_EQ(same.at("swd"), 0);
  EXPECT_EQ(same.at("precision"), 1);
  EXPECT_GT(other.at("fid").get<double>(), 100);
  EXPECT_GT(other.at("kid").get<double>(), same.at("kid").get<double>());
}

TEST_F(Evaluate, StatisticsStandForTheImages) {
  write_pictures("a", 60, 3);
  write_pictures("b", 60, 2, 40);
  const double fid = result_of({"--images", "b", "--data", "a", "--features", kFeatures,
                                "--metrics", "fid", "--write-statistics", "a.npz"})
                         .at("results")
                         .at(0)
                         .at("fid");
  const nlohmann::json again =
      result_of({"--images", "b", "--statistics", "a.npz", "--features", kFeatures});
  EXPECT_EQ(again.at("results").at(0).at("fid"), fid);
  EXPECT_FALSE(again.contains("reference_count"));
}

TEST_F(Evaluate, AModelIsComparedWithWhatItWasTrainedWith) {
  ASSERT_EQ(train().code, 0);
  const ProgramResult result =
      evaluate({"--count", "6", "--steps", "2", "--sampler", "ddim", "--reference-count", "50"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "no network for features")) << result.err;
  EXPECT_TRUE(contains(result.err, "compared with embedded: 10000 images")) << result.err;
  EXPECT_TRUE(contains(result.out, "sampler  steps")) << result.out;
  EXPECT_TRUE(contains(result.out, "runs/a")) << result.out;
  EXPECT_FALSE(fs::exists(folder_ / "samples"));
}

TEST_F(Evaluate, AFolderThatAModelWasTrainedWithIsFoundAgain) {
  write_pictures("a", 40, 3);
  ASSERT_EQ(train_on("folder", "a").code, 0);
  for (const fs::path& model :
       {fs::path("runs/a"), checkpoint(2), checkpoint(2) / "model.safetensors"}) {
    const ProgramResult result = run({"evaluate", "--model", model.string(), "--count", "6",
                                      "--steps", "2", "--sampler", "ddim", "--metrics", "swd"});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_TRUE(contains(result.err, "compared with folder a: 40 images")) << result.err;
  }
}

TEST_F(Evaluate, StatisticsAreEnoughForAnyModel) {
  write_pictures("a", 60, 3);
  ASSERT_EQ(train().code, 0);
  fs::copy(checkpoint(2) / "model.safetensors", folder_ / "alone.safetensors");
  ASSERT_EQ(evaluate({"--images", "a", "--data", "a", "--features", kFeatures, "--metrics", "fid",
                      "--write-statistics", "a.npz"})
                .code,
            0);
  const auto evaluate_alone = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"evaluate", "--model",    "alone.safetensors",
                                          "--count",  "6",          "--steps",
                                          "2",        "--features", kFeatures};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  };
  const ProgramResult result = evaluate_alone({"--statistics", "a.npz"});
  EXPECT_EQ(result.code, 0) << result.err;
  const ProgramResult without = evaluate_alone({});
  EXPECT_EQ(without.code, 2) << without.err;
  EXPECT_TRUE(contains(without.err, "do not say what it was trained with")) << without.err;
}

TEST_F(Evaluate, ImagesOfAModelAreThoseThatItWrites) {
  ASSERT_EQ(train().code, 0);
  ASSERT_EQ(run({"sample", "--count", "8", "--steps", "3", "--output", "drawn"}).code, 0);
  const nlohmann::json drawn = result_of({"--count", "8", "--steps", "3", "--features", kFeatures,
                                          "--metrics", "fid,swd", "--reference-count", "40"}),
                       written = result_of({"--images", "drawn", "--data", "drawn", "--features",
                                            kFeatures, "--metrics", "fid,swd"});
  ASSERT_EQ(run({"sample", "--count", "8", "--steps", "3", "--output", "set.npz"}).code, 0);
  // The order differs, so the patches do, but no sum of features.
  const nlohmann::json array = result_of(
      {"--images", "set.npz", "--data", "drawn", "--features", kFeatures, "--metrics", "fid"});
  EXPECT_NEAR(array.at("results").at(0).at("fid").get<double>(), 0, 1e-6);
  EXPECT_NEAR(written.at("results").at(0).at("fid").get<double>(), 0, 1e-6);
  EXPECT_GT(drawn.at("results").at(0).at("fid").get<double>(), 1);
}

// Where pytorch-fid keeps its weights, they are found.
TEST_F(Evaluate, WeightsOfOtherProgramsAreFound) {
  write_pictures("a", 20, 3);
  fs::create_directories(folder_ / "torch/hub/checkpoints");
  folder_.write("torch/hub/checkpoints/pt_inception-2015-12-05-6726825d.pth", "cut");
  const ProgramResult result = evaluate({"--images", "a", "--data", "a"});
  EXPECT_EQ(result.code, 4) << result.err;
  EXPECT_TRUE(contains(result.err, "features: ")) << result.err;
  EXPECT_TRUE(contains(result.err, "pt_inception-2015-12-05-6726825d.pth: ")) << result.err;
}

TEST_F(Evaluate, TheLikelihoodIsTheSumOfItsTerms) {
  ASSERT_EQ(train().code, 0);
  const nlohmann::json result =
      result_of({"--metrics", "nll", "--nll-count", "3"}).at("results").at(0);
  double sum = 0;
  for (const double term : result.at("nll_terms")) sum += term;
  EXPECT_EQ(result.at("nll_terms").size(), 21);
  EXPECT_NEAR(result.at("nll").get<double>(), sum, 1e-12);
  EXPECT_EQ(result.at("nll_distortion"), result.at("nll_terms").at(0));
}

TEST_F(Evaluate, SamplersAreListedFromTheBest) {
  ASSERT_EQ(train().code, 0);
  const nlohmann::json rows = result_of({"--compare-samplers", "--compare-steps", "2,4", "--count",
                                         "4", "--reference-count", "20"})
                                  .at("results");
  EXPECT_EQ(rows.size(), 22);
  const auto limited = std::ranges::count_if(rows, [](const nlohmann::json& row) {
    return row.contains("sigmas") && row.at("sigmas") == "karras" && row.at("sigma_max") == 20;
  });
  EXPECT_EQ(limited, 6);
  for (std::size_t i = 1; i < rows.size(); ++i)
    EXPECT_LE(rows[i - 1].at("swd").get<double>(), rows[i].at("swd").get<double>());
}

TEST_F(Evaluate, PublishedNumbersStandBesideTheFid) {
  ASSERT_EQ(train().code, 0);
  const ProgramResult result =
      evaluate({"--compare-samplers", "--compare-steps", "10", "--count", "4", "--reference-count",
                "20", "--features", kFeatures, "--metrics", "fid"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "13.36")) << result.out;
  EXPECT_TRUE(contains(result.out, "41.07")) << result.out;
  EXPECT_TRUE(contains(result.out, "published: FID of 50,000 CIFAR-10 images")) << result.out;
}

TEST_F(Evaluate, WhatCannotBeDoneIsSaid) {
  write_pictures("a", 20, 3);
  write_pictures("tiny", 3, 3);
  ASSERT_EQ(train().code, 0);
  folder_.write("text.ts", "no program");
  const std::vector<std::tuple<std::vector<std::string>, int, std::string>> cases = {
      {{"--metrics", "fid"}, 3, "fid: there is no network for features"},
      {{"--metrics", "fid,fid", "--features", kFeatures}, 2, "fid is named twice"},
      {{"--metrics", "mse"}, 2, "choose from fid, kid, is, prdc, swd, nll"},
      {{"--metrics", "is", "--features", kFeatures}, 2, "needs a network with classes"},
      {{"--images", "a"}, 2, "give the images to compare with"},
      {{"--images", "a", "--data", "a", "--statistics", "a.npz"},
       2,
       "both say what to compare with"},
      {{"--images", "a", "--data", "a", "--count", "21"}, 3, "has only 20 images"},
      {{"--images", "a", "--data", "a", "--reference-count", "21"}, 3, "has only 20 images"},
      {{"--metrics", "nll", "--nll-count", "10001"}, 3, "has only 10000 images"},
      {{"--images", "a", "--data", "nosuch"}, 3, "nosuch"},
      {{"--images", "tiny", "--data", "a", "--features", kFeatures, "--metrics", "prdc"},
       3,
       "need at least 6 images"},
      {{"--images", "a", "--statistics", "a/000.png", "--features", kFeatures}, 3, "000.png"},
      {{"--images", "a", "--data", "a", "--features", "text.ts"}, 4, "text.ts"},
      {{"--compare-samplers", "--steps", "4"}, 2, "--compare-steps"},
      {{"--compare-samplers", "--compare-steps", "21", "--count", "2"},
       2,
       "the model has 20 timesteps"}};
  for (const auto& [arguments, code, part] : cases) {
    const ProgramResult result = evaluate(arguments);
    EXPECT_EQ(result.code, code) << part << "\n" << result.err;
    EXPECT_TRUE(contains(result.err, part)) << part << "\n" << result.err;
    EXPECT_EQ(result.out, "");
  }
}

TEST_F(Evaluate, FewImagesAreSaid) {
  write_pictures("a", 20, 3);
  const ProgramResult result =
      evaluate({"--images", "a", "--data", "a", "--features", kFeatures, "--metrics", "fid"});
  EXPECT_TRUE(
      contains(result.err, "20 images to evaluate are too few for features of 48 dimensions"))
      << result.err;
}

class EvaluationInTraining : public testing::TinyRun {
 protected:
  static std::vector<std::string> measuring() {
    return training({"training.steps=6", "training.checkpoint_every=2", "evaluation.every=2",
                     "evaluation.count=5", "evaluation.steps=2", "evaluation.reference_count=20",
                     "sampling.batch_size=4", "training.log_every=4", "training.keep_checkpoints=1",
                     "evaluation.best_by=swd", "training.keep_best=true"});
  }
};

TEST_F(EvaluationInTraining, ItsNumbersJoinTheMetrics) {
  const ProgramResult result = run(measuring());
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "step 2: swd ")) << result.err;
  std::istringstream lines(content_of(folder_ / "runs/a/metrics.jsonl"));
  std::vector<std::int64_t> steps;
  double least = HUGE_VAL;
  std::int64_t best = 0;
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json record = parse_json(line, "line");
    steps.push_back(record.at("step"));
    EXPECT_TRUE(record.at("loss").is_number());
    if (record.at("swd").get<double>() < least) best = steps.back();
    least = std::min(least, record.at("swd").get<double>());
  }
  EXPECT_EQ(steps, (std::vector<std::int64_t>{2, 4, 6}));
  EXPECT_TRUE(fs::exists(checkpoint(static_cast<int>(best))));
  const nlohmann::json state =
      parse_json(content_of(checkpoint(static_cast<int>(best)) / "state.json"), "state");
  EXPECT_EQ(state.at("score").at("name"), "swd");
  EXPECT_EQ(state.at("score").at("value"), least);
}

TEST_F(EvaluationInTraining, ItChangesNoWeight) {
  ASSERT_EQ(run(measuring()).code, 0);
  const std::string measured = content_of(checkpoint(6) / "model.safetensors");
  fs::remove_all(folder_ / "runs");
  ASSERT_EQ(run(training({"training.steps=6"})).code, 0);
  EXPECT_EQ(content_of(checkpoint(6) / "model.safetensors"), measured);
}

TEST_F(EvaluationInTraining, RefusesWhatItCannotMeasure) {
  const auto refusal = [&](const std::vector<std::string>& settings) {
    const ProgramResult result = run(training(settings));
    EXPECT_EQ(result.code, 2) << result.err;
    return result.err;
  };
  EXPECT_TRUE(contains(refusal({"evaluation.metrics=[\"fid\"]"}), "evaluation.features"));
  EXPECT_TRUE(
      contains(refusal({"evaluation.metrics=[\"nll\"]"}), "choose from fid, kid, is, prdc, swd"));
  EXPECT_TRUE(contains(refusal({"evaluation.best_by=fid"}), "this number is not measured"));
  EXPECT_TRUE(contains(refusal({"evaluation.every=2", "evaluation.metrics=[\"is\"]",
                                "evaluation.features=" + kFeatures}),
                       "needs a network with classes"));
  EXPECT_TRUE(contains(refusal({"evaluation.every=2", "evaluation.metrics=[\"prdc\"]",
                                "evaluation.count=5", "evaluation.features=" + kFeatures}),
                       "is needs at least 10 images, and prdc 6"));
  EXPECT_TRUE(contains(
      refusal({"evaluation.best_by=swd", "evaluation.every=4", "training.checkpoint_every=6"}),
      "must be a multiple of evaluation.every"));
  EXPECT_FALSE(trained());
}

}  // namespace
}  // namespace ddpm
