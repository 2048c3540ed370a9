// The wrappings that trainers put around a network, and what a file tells about its weights. The
// files are written by tests/io/foreign/make.py with PyTorch 2.11.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/formats/gzip.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/formats/torch_file.h"
#include "ddpm/io/model_file.h"
#include "support/files.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::message_of;
using testing::TemporaryFolder;

class WrappedNetwork : public ::testing::Test {
 protected:
  // Unpacks the checkpoint of that name.
  fs::path checkpoint(const std::string& name, const std::string& as = "model.pt") {
    const std::vector<std::uint8_t> bytes =
        gunzip_file(fs::path(DDPM_SOURCE_DIR) / "tests/io/foreign" / (name + ".pt.gz"), 16 << 20);
    return folder_.write(as, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  TemporaryFolder folder_;
};

// 1 in raw weights, 2 in averaged ones, in float16.
double output_bias(const ModelFile& model) {
  const TensorView* bias = model.tensors.find("conv_out.bias");
  if (bias == nullptr) return 0;
  std::uint16_t bits = 0;
  std::memcpy(&bits, bias->bytes.data(), 2);
  return bits == 0x3c00 ? 1 : bits == 0x4000 ? 2 : -1;
}

void expect(const fs::path& path, WeightSet wanted, double bias, WeightKind kind) {
  const ModelFile model = open_model(path, wanted);
  EXPECT_EQ(model.tensors.tensors.size(), 74U);
  EXPECT_EQ(output_bias(model), bias);
  EXPECT_EQ(model.kind, kind) << name_of(model.kind);
  EXPECT_EQ(model.unread_average, "");
}

TEST_F(WrappedNetwork, AveragesAreFoundBelowWhateverKeysAndPrefixes) {
  for (const char* name : {"ddim_list", "shadow", "shadow_params", "compiled", "lightning",
                           "params_ema", "ema_pytorch", "camel_case"}) {
    SCOPED_TRACE(name);
    const fs::path path = checkpoint(name);
    expect(path, WeightSet::kEma, 2, WeightKind::kEma);
    expect(path, WeightSet::kRaw, 1, WeightKind::kRaw);
  }
}

TEST_F(WrappedNetwork, WeightsOfWhichNothingIsToldAreUnknown) {
  for (const char* name : {"tutorial", "legacy_tuple", "tables", "company", "odd_keys"}) {
    SCOPED_TRACE(name);
    expect(checkpoint(name), WeightSet::kEma, 1, WeightKind::kUnknown);
  }
}

TEST_F(WrappedNetwork, OpenAisFileNamesTellTheAverage) {
  expect(checkpoint("tutorial", "ema_0.9999_100000.pt"), WeightSet::kEma, 1, WeightKind::kEma);
  expect(checkpoint("tutorial", "cinema_1.pt"), WeightSet::kEma, 1, WeightKind::kUnknown);
}

TEST_F(WrappedNetwork, EndingsDoNotMatter) {
  for (const char* name : {"checkpoint.pth.tar", "MODEL.PT", "weights", "model.safetensors"})
    expect(checkpoint("tutorial", name), WeightSet::kEma, 1, WeightKind::kUnknown);
}

TEST_F(WrappedNetwork, AnAverageThatFitsNoNetworkIsReported) {
  const fs::path path = checkpoint("stranger");
  for (const std::optional<WeightSet> asked : {std::optional<WeightSet>(), {WeightSet::kRaw}}) {
    const ModelFile model = open_model(path, asked);
    EXPECT_EQ(output_bias(model), 1);
    EXPECT_EQ(model.unread_average, "ema.shadow");
  }
  const std::string message =
      message_of<CheckpointError>([&] { open_model(path, WeightSet::kEma); });
  EXPECT_TRUE(contains(message, "'ema.shadow'")) << message;
  EXPECT_TRUE(contains(message, "--weights raw")) << message;
  EXPECT_EQ(open_model(checkpoint("part_average"), std::nullopt).unread_average, "ema");
}

TEST_F(WrappedNetwork, TheOnlyWeightsAreUsedAndCalledWhatTheyAre) {
  expect(checkpoint("only_average"), WeightSet::kRaw, 2, WeightKind::kEma);
}

// Nichol and Dhariwal's cosine schedule of 40 timesteps, equation 17 in float64.
TEST_F(WrappedNetwork, TheTableOfTheScheduleIsRead) {
  const ModelFile model = open_model(checkpoint("tables"), WeightSet::kEma);
  ASSERT_EQ(model.betas.size(), 40U);
  EXPECT_NEAR(model.betas.front(), 0.00248717, 1e-7);
  EXPECT_NEAR(model.betas.back(), 0.999, 1e-6);
  EXPECT_TRUE(model.process_is_assumed);
}

TEST_F(WrappedNetwork, ARefusalListsWhatIsThere) {
  const fs::path path = checkpoint("optimizer");
  const std::string message =
      message_of<CheckpointError>([&] { open_model(path, WeightSet::kEma); });
  EXPECT_TRUE(contains(message, "'state.0': 1 tensor, an optimiser's state: exp_avg")) << message;
  EXPECT_TRUE(contains(message, "torch.save(model.state_dict()")) << message;
}

// Without a config too.
TEST_F(WrappedNetwork, ShardsAreReadByTheirIndex) {
  const std::vector<StateDict> dictionaries = read_torch_file(checkpoint("tutorial"));
  const std::vector<TensorView>& tensors = dictionaries.front().set.tensors;
  nlohmann::json map;
  for (const TensorView& view : tensors)
    map[view.name] = view.name < "mid" ? "1.safetensors" : "2.safetensors";
  for (const char* shard : {"1.safetensors", "2.safetensors"}) {
    std::vector<TensorView> part;
    std::ranges::copy_if(tensors, std::back_inserter(part),
                         [&](const TensorView& view) { return map[view.name] == shard; });
    write_safetensors(folder_ / shard, part);
  }
  const nlohmann::json index = {{"weight_map", map}};
  expect(folder_.write("model.safetensors.index.json", index.dump()), WeightSet::kEma, 1,
         WeightKind::kUnknown);
}

struct Stranger {
  const char* content;
  const char* meaning;
};

TEST_F(WrappedNetwork, WhatPeopleHaveInsteadOfWeightsIsNamed) {
  for (const Stranger& file :
       {Stranger{"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"},
        {"<!DOCTYPE html><html>", "a web page"},
        {"\n <?xml version='1.0'?>", "a web page"},
        {"\x1f\x8b\x08", "gzip"},
        {"GGUF\x03", "GGUF"},
        {"\x89HDF\r\n\x1a\n", "HDF5"},
        {"\x80\x04]\x94.", "a plain pickle"},
        {R"({"error": "Repository not found"})", "a JSON text"},
        {"PK\x03\x04 and no more", "truncated"},
        {"", "empty file"},
        {"hello, world", "not a file of weights"}}) {
    const fs::path path = folder_.write("model.safetensors", file.content);
    const std::string message =
        message_of<CheckpointError>([&] { open_model(path, WeightSet::kEma); });
    EXPECT_TRUE(contains(message, path.string())) << message;
    EXPECT_TRUE(contains(message, file.meaning)) << message;
  }
}

TEST_F(WrappedNetwork, APipeIsRefusedAndNotWaitedFor) {
  const fs::path pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const std::string message =
      message_of<CheckpointError>([&] { open_model(pipe, WeightSet::kEma); });
  EXPECT_TRUE(contains(message, "not a regular file")) << message;
}

TEST_F(WrappedNetwork, ANameOfTheHubGetsTheCommandThatDownloadsIt) {
  const auto error = [](const char* path) {
    return message_of<CheckpointError>([&] { open_model(path, WeightSet::kEma); });
  };
  EXPECT_TRUE(contains(error("google/ddpm-cifar10-32"), "hf download google/ddpm-cifar10-32"));
  EXPECT_FALSE(contains(error("/no/such/model.pt"), "hf download"));
}

}  // namespace
}  // namespace ddpm
