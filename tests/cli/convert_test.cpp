// Converts models to and from other programs, through the commands.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include <nlohmann/json.hpp>

#include "support/files.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::content_of;
using testing::ProgramResult;

constexpr const char* kConfig = R"({
  "run": {"threads": 1},
  "model": {"base_width": 8, "width_multipliers": [1, 2], "blocks_per_level": 1, "attention": [false, true],
            "groups": 4, "final_groups": 4, "dropout": 0},
  "diffusion": {"timesteps": 20, "variance": "fixed_small"},
  "training": {"steps": 2, "batch_size": 4, "warmup_steps": 0, "learning_rate": 1e-9, "ema_decay": 0.9, "log_every": 1,
               "sample_every": 0}
})";

class Convert : public testing::TinyRun {
 protected:
  Convert() {
    folder_.write("tiny.json", kConfig);
    EXPECT_EQ(train().code, 0);
  }
};

// A folder `out` of diffusers, and what its users do to it.
class DiffusersFolderTest : public Convert {
 protected:
  DiffusersFolderTest() {
    EXPECT_EQ(run({"convert", "--model", "runs/a", "--to", "diffusers", "--output", "out"}).code,
              0);
  }
  ProgramResult sample(const std::string& model) {
    return run({"sample", "--model", model, "--count", "1", "--steps", "2", "--output", "x"});
  }
  std::string inspected(const std::string& model, const std::string& weights, const char* key) {
    const ProgramResult result = run({"inspect", model, "--weights", weights, "--json"});
    EXPECT_EQ(result.code, 0) << result.err;
    return nlohmann::json::parse(result.out).at(key).get<std::string>();
  }
};

TEST_F(DiffusersFolderTest, TheAverageOfATrainingCheckpointHasItsOwnFolder) {
  const auto recursive = fs::copy_options::recursive;
  fs::create_directory(folder_ / "checkpoint-5");
  fs::copy(folder_ / "out/unet", folder_ / "checkpoint-5/unet", recursive);
  fs::copy(folder_ / "out/unet", folder_ / "checkpoint-5/unet_ema", recursive);
  EXPECT_EQ(inspected("checkpoint-5", "ema", "weights_kind"), "ema");
  EXPECT_TRUE(contains(inspected("checkpoint-5", "ema", "weights"), "unet_ema/"));
  EXPECT_EQ(inspected("checkpoint-5", "raw", "weights_kind"), "raw");
  EXPECT_TRUE(contains(inspected("checkpoint-5", "raw", "weights"), "5/unet/"));
  EXPECT_EQ(inspected("out", "ema", "weights_kind"), "unknown");
}

TEST_F(DiffusersFolderTest, VariantsAndTheHubsCacheAreRead) {
  const fs::path weights = folder_ / "out/unet/diffusion_pytorch_model.safetensors";
  fs::rename(weights, folder_ / "out/unet/diffusion_pytorch_model.fp16.safetensors");
  const fs::path cache = folder_ / "models--someone--tiny";
  folder_.write("models--someone--tiny/refs/main", "abc123\n");
  fs::create_directories(cache / "snapshots");
  fs::rename(folder_ / "out", cache / "snapshots/abc123");
  fs::create_directory(cache / "snapshots/older");
  EXPECT_TRUE(contains(inspected("models--someone--tiny", "ema", "weights"),
                       "abc123/unet/diffusion_pytorch_model.fp16.safetensors"));
}

TEST_F(DiffusersFolderTest, OtherProcessesAndLatentsAreNotSampledButEvaluated) {
  const std::string scheduler = content_of(folder_ / "out/scheduler/scheduler_config.json");
  folder_.write(
      "out/scheduler/scheduler_config.json",
      R"({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 1.0, "x": -Infinity})");
  ProgramResult result = sample("out");
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(contains(result.err, "FlowMatchEulerDiscreteScheduler")) << result.err;
  EXPECT_EQ(run({"inspect", "out"}).code, 0);
  EXPECT_EQ(run({"convert", "--model", "out", "--to", "ddpm", "--output", "copy"}).code, 0);
  folder_.write("out/scheduler/scheduler_config.json", scheduler);
  folder_.write("out/model_index.json",
                R"({"_class_name": "LDMPipeline", "vqvae": ["diffusers", "VQModel"]})");
  result = sample("out");
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(contains(result.err, "latents of an autoencoder (vqvae of LDMPipeline)"))
      << result.err;
  EXPECT_FALSE(fs::exists(folder_ / "x"));
}

TEST_F(Convert, WritesAFolderAndPrintsItsFiles) {
  const ProgramResult result =
      run({"convert", "--model", "runs/a", "--to", "diffusers", "--output", "out"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out,
            "out/unet/diffusion_pytorch_model.safetensors\nout/unet/config.json\n"
            "out/scheduler/scheduler_config.json\nout/model_index.json\n");
  const auto scheduler =
      nlohmann::json::parse(content_of(folder_ / "out/scheduler/scheduler_config.json"));
  EXPECT_EQ(scheduler["num_train_timesteps"], 20);
  EXPECT_EQ(scheduler["variance_type"], "fixed_small");
  // The weights are the averaged ones, unless --weights raw.
  ASSERT_EQ(
      run({"convert", "--model", "runs/a", "--weights", "raw", "--to", "ddpm", "--output", "raw"})
          .code,
      0);
  EXPECT_EQ(content_of(folder_ / "raw/model.safetensors"),
            content_of(folder_ / "runs/a/checkpoints/step_00000002/model.safetensors"));
  ASSERT_EQ(run({"convert", "--model", "out", "--to", "ddpm", "--output", "back"}).code, 0);
  EXPECT_EQ(content_of(folder_ / "back/model.safetensors"),
            content_of(folder_ / "runs/a/checkpoints/step_00000002/ema.safetensors"));
}

TEST_F(Convert, MistakesAreExitCodeTwo) {
  EXPECT_EQ(run({"convert", "--model", "runs/a", "--to", "keras", "--output", "out"}).code, 2);
  EXPECT_EQ(run({"convert", "--model", "runs/a", "--to", "labml", "--output", "out"}).code, 2);
  EXPECT_EQ(run({"convert", "--model", "runs/a", "--to", "ddpm", "--output", "runs"}).code, 2);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(Convert, SamplingFromAForeignFolderEqualsTheOriginal) {
  ASSERT_EQ(run({"convert", "--model", "runs/a", "--to", "diffusers", "--output", "out"}).code, 0);
  for (const char* model : {"runs/a", "out"})
    ASSERT_EQ(
        run({"sample", "--model", model, "--count", "2", "--format", "safetensors", "--output",
             std::string("of_") + fs::path(model).filename().string() + ".safetensors"})
            .code,
        0);
  EXPECT_EQ(content_of(folder_ / "of_a.safetensors"), content_of(folder_ / "of_out.safetensors"));
}

TEST_F(Convert, WritesTheSchedulerOfTheSampler) {
  ASSERT_EQ(run({"convert", "--model", "runs/a", "--to", "diffusers", "--sampler",
                 "DPM++ 2M Karras", "--spacing", "trailing", "--output", "out"})
                .code,
            0);
  const auto scheduler =
      nlohmann::json::parse(content_of(folder_ / "out/scheduler/scheduler_config.json"));
  EXPECT_EQ(scheduler["_class_name"], "DPMSolverMultistepScheduler");
  EXPECT_EQ(scheduler["use_karras_sigmas"], true);
  EXPECT_EQ(scheduler["timestep_spacing"], "trailing");
  EXPECT_EQ(scheduler["num_train_timesteps"], 20);
  const auto images = [&](std::vector<std::string> arguments) {
    for (const char* more : {"sample", "--count", "2", "--steps", "4", "--threads", "1",
                             "--overwrite", "--output", "x.safetensors"})
      arguments.emplace_back(more);
    std::rotate(arguments.begin(), std::ranges::find(arguments, "sample"), arguments.end());
    const ProgramResult result = run(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    return content_of(folder_ / "x.safetensors");
  };
  EXPECT_EQ(images({"--model", "out"}), images({"--model", "runs/a", "--sampler", "dpm++2m",
                                                "--sigmas", "karras", "--spacing", "trailing"}));
}

TEST_F(Convert, SaysHowToLoadASchedulerThatNoPipelineRuns) {
  const ProgramResult result =
      run({"convert", "--model", "runs/a", "--to", "diffusers", "--sampler", "euler", "--set",
           "diffusion.clip_x0=false", "--output", "out"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_FALSE(fs::exists(folder_ / "out/model_index.json"));
  EXPECT_TRUE(contains(result.err, "EulerDiscreteScheduler.from_pretrained(\"out\""));
  EXPECT_EQ(run({"sample", "--model", "out", "--count", "1", "--steps", "2"}).code, 0);
}

TEST_F(Convert, RefusesSamplersThatTheFilesCannotSay) {
  const auto error = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"convert", "--model", "runs/a", "--output", "out"});
    const ProgramResult result = run(more);
    EXPECT_EQ(result.code, 2);
    EXPECT_FALSE(fs::exists(folder_ / "out"));
    return result.err;
  };
  EXPECT_TRUE(
      contains(error({"--to", "diffusers", "--sampler", "euler"}), "diffusion.clip_x0=false"));
  EXPECT_TRUE(contains(error({"--to", "diffusers", "--sampler", "ipndm"}), "no such scheduler"));
  EXPECT_TRUE(contains(error({"--to", "openai", "--sampler", "ddim"}), "do not say how to sample"));
}

TEST_F(Convert, TrainingStartsFromAForeignFolder) {
  ASSERT_EQ(run({"convert", "--model", "runs/a", "--to", "diffusers", "--output", "out"}).code, 0);
  // The config file describes no network, so the model's is used. A learning rate of 0 keeps it.
  nlohmann::json recipe = nlohmann::json::parse(kConfig);
  recipe.erase("model");
  recipe.erase("diffusion");
  std::ofstream(folder_ / "recipe.json") << recipe;
  const ProgramResult result =
      run({"train", "--config", "recipe.json", "--init-from", "out", "--set", "run.name=b", "--set",
           "training.learning_rate=0", "--set", "model.dropout=0.2"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "starting from the weights of out/unet"));
  const auto config = nlohmann::json::parse(content_of(folder_ / "runs/b/config.json"));
  EXPECT_EQ(config["model"]["base_width"], 8);
  EXPECT_EQ(config["model"]["dropout"], 0.2) << "--set overrides the model's config";
  EXPECT_EQ(config["diffusion"]["timesteps"], 20);
  for (const char* weights : {"raw", "ema"}) {
    ASSERT_EQ(run({"convert", "--model", "runs/b", "--weights", weights, "--to", "ddpm", "--output",
                   std::string("b_") + weights, "--set", "model.dropout=0"})
                  .code,
              0);
    EXPECT_EQ(content_of(folder_ / (std::string("b_") + weights) / "model.safetensors"),
              content_of(folder_ / "runs/a/checkpoints/step_00000002/ema.safetensors"));
  }
}

TEST_F(Convert, InspectSaysWhatAForeignFolderIs) {
  ASSERT_EQ(run({"convert", "--model", "runs/a", "--to", "diffusers", "--dtype", "fp16", "--output",
                 "out"})
                .code,
            0);
  const ProgramResult result = run({"inspect", "out", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto description = nlohmann::json::parse(result.out);
  EXPECT_EQ(description["format"], "diffusers");
  EXPECT_EQ(description["non_finite"], 0);
  EXPECT_EQ(description["values"], description["parameters"]);
  ASSERT_EQ(description["types"].size(), 1U);
  EXPECT_EQ(description["types"][0]["type"], "F16");
  EXPECT_EQ(description["types"][0]["values"], description["values"]);
}

TEST_F(Convert, DamagedForeignFilesAreExitCodeFour) {
  const fs::path corpora = fs::path(DDPM_SOURCE_DIR) / "tests/fuzz/corpus/torch_file";
  for (const char* name : {"malicious.pt", "valid_training.pt", "valid_state_dict.pt"}) {
    const ProgramResult result =
        run({"sample", "--model", (corpora / name).string(), "--output", "x"});
    EXPECT_EQ(result.code, 4) << name;
    EXPECT_TRUE(contains(result.err, name)) << result.err;
    EXPECT_FALSE(fs::exists(folder_ / "x"));
  }
}

}  // namespace
}  // namespace ddpm
