#include "ddpm/data/latents.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "ddpm/data/batch.h"
#include "ddpm/data/load.h"
#include "ddpm/data/order.h"
#include "ddpm/data/scan.h"
#include "support/files.h"
#include "support/fill.h"
#include "support/small_trainer.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::message_of;

class LatentsTest : public ::testing::Test {
 protected:
  LatentsTest() {
    data_.source = DataSource::kLatents;
    data_.path = (folder_ / "latents.safetensors").string();
  }
  void write(const std::vector<NamedTensor>& tensors, const SafetensorsMetadata& metadata = {}) {
    save_tensors(data_.path, tensors, metadata);
  }
  void expect_refused(const char* reason) {
    const std::string message = message_of<DataError>([&] { load_images(data_); });
    EXPECT_TRUE(contains(message, reason)) << message;
    EXPECT_TRUE(contains(message, data_.path)) << message;
  }

  testing::TemporaryFolder folder_;
  DataConfig data_;
  torch::Tensor latents_ = testing::hash_tensor(3, {5, 4, 2, 3}, 20.0).to(torch::kFloat32);
};

TEST_F(LatentsTest, AreMultipliedByTheirScale) {
  write({{"latents", latents_}, {"labels", torch::tensor({1, 0, 2, 0, 1})}},
        {{"scale", "0.18215"}});
  const ImageStore store = load_images(data_);
  EXPECT_EQ(store.count(), 5);
  EXPECT_EQ(store.channels(), 4);
  EXPECT_EQ(store.height(), 2);
  EXPECT_EQ(store.width(), 3);
  EXPECT_EQ(store.labels(), (std::vector<std::int64_t>{1, 0, 2, 0, 1}));
  const Batch batch = make_batch(store, {.count = 5, .seed = 9});
  for (std::int64_t i = 0; i < 5; ++i) {
    const auto image =
        static_cast<std::int64_t>(dataset_index(static_cast<std::uint64_t>(i), 5, 9));
    EXPECT_TRUE(torch::allclose(batch.images[i], latents_[image] * 0.18215, 1e-6, 0)) << i;
    EXPECT_EQ(batch.labels[i].item<std::int64_t>(), store.label(image));
  }
}

TEST_F(LatentsTest, HaveTheScale1WithoutMetadataAndAnyFloatingPointType) {
  for (const torch::Dtype dtype : {torch::kFloat32, torch::kFloat16, torch::kBFloat16}) {
    write({{"latents", latents_.to(dtype)}});
    const ImageStore store = load_images(data_);
    const torch::Tensor images = make_batch(store, {.count = 5, .seed = 9}).images;
    const auto first = static_cast<std::int64_t>(dataset_index(0, 5, 9));
    EXPECT_TRUE(torch::equal(images[0], latents_[first].to(dtype).to(torch::kFloat32)));
    EXPECT_EQ(store.label(0), -1);
  }
}

TEST_F(LatentsTest, AreDescribed) {
  write({{"latents", latents_}}, {{"scale", "0.5"}});
  const DataSummary summary = summarize_data(data_, {});
  EXPECT_EQ(summary.count, 5);
  EXPECT_EQ(summary.channels.at(4), 5);
  EXPECT_TRUE(contains(summary.source, "scale 0.5"));
}

TEST_F(LatentsTest, ThatCannotBeUsedAreRefused) {
  write({{"latent", latents_}});
  expect_refused("there is no tensor 'latents'");
  write({{"latents", latents_[0]}});
  expect_refused("[N,C,H,W]");
  write({{"latents", latents_.to(torch::kInt64)}});
  expect_refused("F32, F16 or BF16");
  write({{"latents", latents_.narrow(1, 0, 2)}});
  expect_refused("2 channels");
  write({{"latents", latents_}, {"labels", torch::tensor({1})}});
  expect_refused("'labels' must be I64 [5]");
  write({{"latents", latents_ / 0}});
  expect_refused("not finite");
  for (const char* scale : {"", "x", "1x", "0", "inf"}) {
    write({{"latents", latents_}}, {{"scale", scale}});
    expect_refused("the scale");
  }
  write({{"latents", latents_}});
  data_.height = 4;
  expect_refused("the config demands");
  fs::remove(data_.path);
  expect_refused("data.path");
}

}  // namespace
}  // namespace ddpm
