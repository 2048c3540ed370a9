// What `ddpm inspect` says, to people and to programs.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ddpm/base/file.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/image/codec.h"
#include "support/tiny_run.h"
#include "support/zip.h"

namespace ddpm {
namespace {

using nlohmann::json;
using testing::contains;
using testing::ProgramResult;

class Inspect : public testing::TinyRun {};

TEST_F(Inspect, IsJsonForPrograms) {
  const ProgramResult network =
      run({"inspect", "--config", "tiny.json", "--json", "--set", "data.height=16", "--set",
           "data.width=16", "--set", "data.channels=1"});
  ASSERT_EQ(network.code, 0) << network.err;
  EXPECT_EQ(network.err, "");
  const std::int64_t parameters = json::parse(network.out).at("parameters");
  ASSERT_EQ(train().code, 0);
  const json model = json::parse(run({"inspect", "runs/a", "--json", "--tensors"}).out);
  EXPECT_EQ(model.at("parameters"), parameters);
  EXPECT_EQ(model.at("tensors"), model.at("tensor_list").size());
  EXPECT_EQ(model.at("config").at("model").at("base_width"), 8);
  // The parameters are those in the file.
  const SafetensorsFile file(folder_ / model.at("weights").get<std::string>());
  std::int64_t count = 0;
  for (const TensorView& tensor : file.tensors())
    count += static_cast<std::int64_t>(tensor.bytes.size() / 4);
  EXPECT_EQ(count, parameters);
  const json data = json::parse(run({"inspect", "--data", "--json"}).out);
  EXPECT_EQ(data.at("bad_files"), 0);
  EXPECT_GT(data.at("images"), 0);
}

// The unit is in the key, or in the name of the list.
TEST_F(Inspect, EveryQuantityInJsonIsANumber) {
  ASSERT_EQ(train().code, 0);
  const json model = json::parse(run({"inspect", "runs/a", "--json", "--tensors"}).out);
  EXPECT_EQ(model.at("image"), (json{{"channels", 1}, {"height", 16}, {"width", 16}}));
  EXPECT_EQ(model.at("types"),
            json::array({json{{"type", "F32"}, {"values", model.at("values")}}}));
  const json tensor = model.at("tensor_list").at(0);
  EXPECT_TRUE(tensor.at("name").is_string());
  EXPECT_EQ(tensor.at("type"), "F32");
  EXPECT_TRUE(tensor.at("shape").at(0).is_number_unsigned());
  const json data = json::parse(run({"inspect", "--data", "--json"}).out);
  EXPECT_EQ(data.at("sizes"),
            json::array({json{{"width", 16}, {"height", 16}, {"images", data.at("images")}}}));
  EXPECT_EQ(data.at("channels"),
            json::array({json{{"channels", 1}, {"images", data.at("images")}}}));
  EXPECT_TRUE(data.at("classes").at(0).at("images").is_number_unsigned());
}

TEST_F(Inspect, TellsHowFarARunIs) {
  ASSERT_EQ(train({"--set", "training.batch_size=6", "--set", "training.steps=4", "--set",
                   "training.checkpoint_every=1", "--set", "training.keep_checkpoints=9"})
                .code,
            0);
  const json third =
      json::parse(run({"inspect", "runs/a/checkpoints/step_00000003", "--json"}).out);
  EXPECT_EQ(third.at("batch_size"), 6);
  EXPECT_EQ(third.at("step"), 3);
  EXPECT_EQ(third.at("steps"), 4);
  EXPECT_EQ(third.at("progress_percent"), 75);
  EXPECT_EQ(third.at("images_seen"), 18);
  const std::string text = run({"inspect", "runs/a"}).out;
  EXPECT_TRUE(contains(text, "progress_percent             100\n")) << text;
  EXPECT_TRUE(contains(text, "batch_size                   6\n")) << text;
}

TEST_F(Inspect, TellsPeopleWhatANetworkNeeds) {
  const ProgramResult paper =
      run({"inspect", "--set", "data.source=cifar10", "--set", "run.precision=bf16"});
  ASSERT_EQ(paper.code, 0) << paper.err;
  for (const char* part : {"32x32, 3 channels", "35,746,307", "12.44", "681.8 MiB", "2.7 GiB"})
    EXPECT_TRUE(contains(paper.out, part)) << paper.out;
  ASSERT_EQ(train().code, 0);
  const ProgramResult model = run({"inspect", "runs/a"});
  EXPECT_TRUE(contains(model.out, "\n  model.base_width = 8\n")) << model.out;
  EXPECT_FALSE(contains(model.out, "model.norm_epsilon")) << model.out;  // the default
}

// By default GPUs compute in bf16 and CPUs in fp32.
TEST_F(Inspect, EstimatesForThePrecisionOfEachDevice) {
  const auto bytes = [&](const char* key, const std::string& precision) {
    const ProgramResult result = run({"inspect", "--set", "data.source=cifar10", "--json", "--set",
                                      "run.precision=" + precision});
    return json::parse(result.out).at(key).get<double>();
  };
  const char *gpu = "training_on_gpu_bytes", *cpu = "sampling_on_cpu_bytes";
  EXPECT_EQ(bytes(gpu, "auto"), bytes(gpu, "bf16"));
  EXPECT_LT(bytes(gpu, "auto"), bytes(gpu, "fp32"));
  EXPECT_EQ(bytes(cpu, "auto"), bytes(cpu, "fp32"));
  EXPECT_LT(bytes(cpu, "bf16"), bytes(cpu, "auto"));
}

// As `train` with --set data.path does.
TEST_F(Inspect, ReadsAnArchiveWithTheConfigOfAFolder) {
  const Image image(2, 2, 3, 99);
  write_file_atomically(folder_ / "photos.zip", testing::zip({{"a/1.png", encode_png(image)}}));
  write_file_atomically(folder_ / "folder.json", R"({"data": {"source": "folder"}})");
  const ProgramResult result =
      run({"inspect", "--config", "folder.json", "--data", "photos.zip", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(json::parse(result.out).at("source"), "zip photos.zip");
}

}  // namespace
}  // namespace ddpm
