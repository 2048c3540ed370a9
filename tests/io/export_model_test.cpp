#include "ddpm/io/export_model.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/io/weights.h"
#include "ddpm/sampling/load_model.h"
#include "support/files.h"
#include "support/fill.h"
#include "support/models.h"
#include "support/networks.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::hash_tensor;
using testing::message_of;

LoadedModel load(const fs::path& path, std::vector<ConfigOverride> overrides = {},
                 TensorFit missing = TensorFit::kExact) {
  overrides.push_back({"run.device", "cpu", "--device"});
  return load_model(path, overrides, missing);
}

std::vector<fs::path> export_to(const LoadedModel& model, const ExportRequest& request,
                                const fs::path& folder) {
  return export_model(model.config, model.weights(), request, folder);
}

class ExportTest : public ::testing::Test {
 protected:
  // A network that the target's format can represent.
  static ModelConfig network(ModelFormat target) {
    ModelConfig model = testing::tiny();
    model.base_width = 32;
    model.groups = model.final_groups = 32;
    if (target == ModelFormat::kLabml) return testing::labml(32, {1, 2}, {false, true}, 1);
    if (target == ModelFormat::kHo || target == ModelFormat::kDiffusers) return model;
    model.downsample_padding = DownsamplePadding::kSymmetric;
    model.time_frequencies = TimeFrequencies::kHalf;
    model.norm_epsilon = 1e-5;
    if (target == ModelFormat::kPytorchDdpm) return model;
    model.time_order = TimeOrder::kCosSin;
    model.attention_heads = 4;
    return model;
  }
  fs::path save(const ModelConfig& model) {
    Config config;
    config.model = model;
    config.data.height = config.data.width = 8;
    config.data.channels = 3;
    UNet net = testing::initialized_unet(model, 3);
    testing::hash_fill(*net);
    std::vector<NamedTensor> tensors;
    for (const auto& item : net->named_parameters()) tensors.push_back({item.key(), item.value()});
    save_tensors(folder_ / "own.safetensors", tensors, model_metadata(config));
    return folder_ / "own.safetensors";
  }
  static torch::Tensor predict(const LoadedModel& model) {
    return model.predictor()(hash_tensor(9, {2, 3, 8, 8}, 3).to(torch::kFloat32),
                             torch::tensor({3, 900}), {});
  }

  testing::TemporaryFolder folder_;
};

TEST_F(ExportTest, EveryLayoutPredictsTheSameAndComesBackInTheSameBytes) {
  for (const ModelFormat target : kChoices<ModelFormat>) {
    const fs::path folder = folder_ / name_of(target), back = folder_ / "back" / name_of(target);
    const fs::path own = save(network(target));
    const LoadedModel model = load(own);
    const std::vector<fs::path> files = export_to(model, {.target = target}, folder);
    for (const fs::path& file : files) EXPECT_TRUE(fs::exists(file)) << file;
    const LoadedModel again = load(folder);
    EXPECT_TRUE(torch::equal(predict(again), predict(model))) << name_of(target);
    export_to(again, {.target = ModelFormat::kDdpm}, back);
    EXPECT_EQ(testing::content_of(back / "model.safetensors"), testing::content_of(own))
        << name_of(target);
  }
}

// Files of other programs lack this program's metadata, so the network is inferred.
TEST_F(ExportTest, LayoutsAreRecognisedByTheirTensors) {
  using enum ModelFormat;
  for (const ModelFormat target : {kHo, kPytorchDdpm, kOpenai, kCompvis, kLabml}) {
    const fs::path folder = folder_ / name_of(target), bare = folder_ / "bare.safetensors";
    const LoadedModel model = load(save(network(target)));
    export_to(model, {.target = target}, folder);
    const TensorSet set = read_safetensors(folder / "model.safetensors");
    write_safetensors(bare, set.tensors, {{"format", "pt"}});
    EXPECT_TRUE(torch::equal(predict(load(bare)), predict(model))) << name_of(target);
  }
}

TEST_F(ExportTest, OverridesCorrectWhatWasAssumed) {
  ModelConfig network = this->network(ModelFormat::kOpenai);
  network.attention_heads = 2;
  const LoadedModel model = load(save(network));
  export_to(model, {.target = ModelFormat::kOpenai}, folder_ / "openai");
  const TensorSet set = read_safetensors(folder_ / "openai/model.safetensors");
  write_safetensors(folder_ / "bare.safetensors", set.tensors, {{"format", "pt"}});
  EXPECT_FALSE(torch::equal(predict(load(folder_ / "bare.safetensors")), predict(model)));
  EXPECT_TRUE(torch::equal(
      predict(load(folder_ / "bare.safetensors", {{"model.attention_heads", "2", "--set"}})),
      predict(model)));
}

// The network has labels and the order of q, k, v of OpenAI's newer attention.
TEST_F(ExportTest, OpenAisOptionsComeBack) {
  ModelConfig network = this->network(ModelFormat::kOpenai);
  network.class_embedding = ClassEmbeddingKind::kTable;
  network.classes = 7;
  network.predicts_variance = true;
  network.qkv_order = QkvOrder::kBlocked;
  const auto predict = [](const LoadedModel& model) {
    return model.predictor()(hash_tensor(9, {2, 3, 8, 8}, 3).to(torch::kFloat32),
                             torch::tensor({3, 900}), {.labels = torch::tensor({5, 0})});
  };
  const LoadedModel model = load(save(network));
  EXPECT_EQ(predict(model).sizes(), torch::IntArrayRef({2, 6, 8, 8}));
  export_to(model, {.target = ModelFormat::kOpenai}, folder_ / "openai");
  EXPECT_TRUE(torch::equal(predict(load(folder_ / "openai")), predict(model)));
  const TensorSet set = read_safetensors(folder_ / "openai/model.safetensors");
  ASSERT_NE(set.find("label_emb.weight"), nullptr);
  write_safetensors(folder_ / "bare.safetensors", set.tensors, {{"format", "pt"}});
  const LoadedModel bare =
      load(folder_ / "bare.safetensors", {{"model.qkv_order", "blocked", "--set"}});
  EXPECT_EQ(bare.config.model.classes, 7);
  EXPECT_EQ(bare.config.diffusion.variance, Variance::kLearnedRange);
  EXPECT_TRUE(torch::equal(predict(bare), predict(model)));
  EXPECT_FALSE(torch::equal(predict(load(folder_ / "bare.safetensors")), predict(model)));
  EXPECT_TRUE(contains(message_of<ConfigError>(
                           [&] { export_to(model, {.target = ModelFormat::kHo}, folder_ / "ho"); }),
                       "model.class_embedding = \"table\""));
}

TEST_F(ExportTest, WritesOtherFloatTypes) {
  const LoadedModel model = load(save(network(ModelFormat::kDiffusers)));
  export_to(model, {.target = ModelFormat::kDiffusers, .dtype = ExportType::kBf16},
            folder_ / "bf16");
  const TensorSet set = read_safetensors(folder_ / "bf16/unet/diffusion_pytorch_model.safetensors");
  for (const TensorView& view : set.tensors) EXPECT_EQ(view.dtype, DType::kBF16);
  EXPECT_TRUE(torch::allclose(predict(load(folder_ / "bf16")), predict(model), 0.1, 0.1));
  EXPECT_EQ(message_of<ConfigError>([] { choose<ExportType>("--dtype", "int8"); }),
            "--dtype: unknown 'int8'; choose from fp32, fp16, bf16");
}

TEST_F(ExportTest, WhatDoesNotFitLeavesNothing) {
  const LoadedModel labml = load(save(network(ModelFormat::kLabml)));
  for (const ModelFormat target :
       {ModelFormat::kDiffusers, ModelFormat::kHo, ModelFormat::kOpenai}) {
    EXPECT_TRUE(contains(
        message_of<ConfigError>([&] { export_to(labml, {.target = target}, folder_ / "out"); }),
        "model.attention_kind"))
        << name_of(target);
    EXPECT_FALSE(fs::exists(folder_ / "out"));
  }
  EXPECT_EQ(
      message_of<ConfigError>([] { choose<ModelFormat>("--to", "keras"); }),
      "--to: unknown 'keras'; choose from diffusers, ddpm, ho, pytorch_ddpm, openai, compvis, "
      "labml");
}

TEST_F(ExportTest, NothingIsOverwritten) {
  const LoadedModel model = load(save(network(ModelFormat::kDiffusers)));
  folder_.write("out/precious", "content");
  EXPECT_TRUE(contains(message_of<ConfigError>([&] { export_to(model, {}, folder_ / "out"); }),
                       "already exists and is not empty"));
  EXPECT_EQ(testing::content_of(folder_ / "out/precious"), "content");
  fs::remove(folder_ / "out/precious");
  EXPECT_EQ(export_to(model, {}, folder_ / "out").front(),
            folder_ / "out/unet/diffusion_pytorch_model.safetensors");
}

TEST_F(ExportTest, TheConfigCountsMoreThanTheFilesRecord) {
  export_to(load(save(network(ModelFormat::kDiffusers))), {}, folder_ / "out");
  const fs::path file = folder_ / "out/unet/config.json";
  nlohmann::json unet = nlohmann::json::parse(testing::content_of(file));
  unet["norm_eps"] = 0.5;
  folder_.write(file, unet.dump());
  EXPECT_EQ(load(folder_ / "out").config.model.norm_epsilon, 0.5);
}

// A PyTorch file with the names and shapes of old diffusers; tests/golden/old_diffusers.py made the
// values.
TEST(ForeignModel, OldDiffusersInATrainingCheckpoint) {
  const fs::path file = fs::path(DDPM_SOURCE_DIR) / "tests/io/old_diffusers/checkpoint.pt";
  const LoadedModel model = load(file);
  const torch::Tensor x = (torch::arange(64.0) / 32 - 1).view({1, 1, 8, 8});
  const torch::Tensor y = model.predictor()(x, torch::tensor({500}), {}).flatten();
  EXPECT_NEAR(y.mean().item<double>(), -0.041706, 2e-6);
  EXPECT_NEAR(y.abs().mean().item<double>(), 0.116902, 2e-6);
  EXPECT_NEAR(y[0].item<double>(), 0.177753, 2e-6);
  EXPECT_NEAR(y[-1].item<double>(), -0.046260, 2e-6);
  const LoadedModel raw = load(file, {{"sampling.weights", "raw", "--weights"}});
  EXPECT_EQ(raw.predictor()(x, torch::tensor({500}), {}).abs().max().item<double>(), 0);
}

TEST(ForeignModel, NamesTheDictionariesOfAFileWithoutNetwork) {
  const fs::path file =
      fs::path(DDPM_SOURCE_DIR) / "tests/fuzz/corpus/torch_file/valid_training.pt";
  const std::string message = message_of<CheckpointError>([&] { load(file); });
  EXPECT_TRUE(contains(message, file.string())) << message;
  EXPECT_TRUE(contains(message, "'net_model': 2 tensors: weight, bias")) << message;
}

TEST_F(ExportTest, TensorFitAreAnErrorUnlessAllowed) {
  export_to(load(save(network(ModelFormat::kDiffusers))), {}, folder_ / "out");
  const fs::path file = folder_ / "out/unet/diffusion_pytorch_model.safetensors";
  TensorSet set = read_safetensors(file);
  std::erase_if(set.tensors, [](const TensorView& view) { return view.name == "conv_out.bias"; });
  write_safetensors(file, set.tensors, set.metadata);
  EXPECT_TRUE(contains(message_of<CheckpointError>([&] { load(folder_ / "out"); }),
                       "missing: conv_out.bias"));
  EXPECT_NO_THROW(load(folder_ / "out", {}, TensorFit::kMayLack));
  set.tensors.front().name = "extra";
  write_safetensors(file, set.tensors, set.metadata);
  EXPECT_TRUE(contains(
      message_of<CheckpointError>([&] { load(folder_ / "out", {}, TensorFit::kMayLack); }),
      "unexpected: extra"))
      << "extra tensors are still an error";
}

TEST_F(ExportTest, DiffusersFoldersThatAreIncompleteSayWhatIsMissing) {
  export_to(load(save(network(ModelFormat::kDiffusers))), {}, folder_ / "out");
  const auto error = [&] { return message_of<CheckpointError>([&] { load(folder_ / "out"); }); };
  fs::rename(folder_ / "out/unet/diffusion_pytorch_model.safetensors", folder_ / "w.safetensors");
  EXPECT_TRUE(contains(error(), "no diffusion_pytorch_model.safetensors"));
  folder_.write("out/unet/diffusion_pytorch_model.safetensors", "not a model");
  EXPECT_TRUE(contains(error(), "diffusion_pytorch_model.safetensors: "));
  folder_.write("out/unet/config.json", "{\"_class_name\": ");
  EXPECT_TRUE(contains(error(), "config.json: not valid JSON"));
  fs::remove(folder_ / "out/unet/config.json");
  EXPECT_TRUE(contains(error(), "no unet/config.json"));
}

}  // namespace
}  // namespace ddpm
