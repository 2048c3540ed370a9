#include "ddpm/data/contexts.h"

#include <gtest/gtest.h>

#include <array>
#include <map>

#include "ddpm/base/error.h"
#include "ddpm/data/context_source.h"
#include "ddpm/data/order.h"
#include "support/files.h"
#include "support/small_trainer.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::message_of;

class ContextsTest : public ::testing::Test {
 protected:
  // Three contexts of two tokens with four channels; row i holds 8 i, 8 i + 1, ...
  fs::path write(const std::vector<NamedTensor>& more = {}, torch::Dtype dtype = torch::kFloat32) {
    std::vector<NamedTensor> tensors = {{"contexts", torch::arange(24).view({3, 2, 4}).to(dtype)}};
    tensors.insert(tensors.end(), more.begin(), more.end());
    save_tensors(path_, tensors);
    return path_;
  }
  static ImageStore images(std::int64_t count, std::vector<std::int64_t> labels = {}) {
    if (labels.empty()) labels.assign(static_cast<std::size_t>(count), -1);
    return ImageStore(
        {.stored_height = 1, .stored_width = 1, .channels = 1, .height = 1, .width = 1},
        std::vector<std::uint8_t>(static_cast<std::size_t>(count)), std::move(labels));
  }
  static std::vector<std::int64_t> rows(const Contexts& contexts, const ImageStore& store) {
    return contexts.rows_of(store);
  }

  testing::TemporaryFolder folder_;
  fs::path path_ = folder_ / "contexts.safetensors";
};

TEST_F(ContextsTest, AreReadByRowInFloat32) {
  for (const torch::Dtype dtype : {torch::kFloat32, torch::kFloat16, torch::kBFloat16}) {
    const Contexts contexts(write({}, dtype), 4);
    EXPECT_EQ(contexts.count(), 3);
    const torch::Tensor read = contexts.read(std::array<std::int64_t, 3>{2, 0, -1});
    EXPECT_EQ(read.scalar_type(), torch::kFloat32);
    const torch::Tensor all = torch::arange(24, torch::kFloat32).view({3, 2, 4});
    EXPECT_TRUE(torch::equal(read, torch::stack({all[2], all[0], torch::zeros({2, 4})})));
  }
}

TEST_F(ContextsTest, TheEmptyContextCanBeGiven) {
  const torch::Tensor empty = torch::full({2, 4}, 0.5);
  const Contexts contexts(write({{"empty", empty}}), 4);
  EXPECT_TRUE(torch::equal(contexts.read(std::array<std::int64_t, 1>{-1})[0], empty));
}

TEST_F(ContextsTest, BelongToImagesOrClassesOrWhatRowsSays) {
  using Rows = std::vector<std::int64_t>;
  const Contexts contexts(write(), 4);
  EXPECT_EQ(rows(contexts, images(3)), (Rows{0, 1, 2}));
  EXPECT_EQ(rows(contexts, images(4, {2, 0, 0, 1})), (Rows{2, 0, 0, 1}));
  const Contexts chosen(write({{"rows", torch::tensor({1, 1, 0, 2, 2})}}), 4);
  EXPECT_EQ(rows(chosen, images(5)), (Rows{1, 1, 0, 2, 2}));
}

TEST_F(ContextsTest, ThatDoNotFitAreRefused) {
  const auto refused = [&](const ImageStore& store, const char* reason) {
    const Contexts contexts(path_, 4);
    const std::string message = message_of<DataError>([&] { contexts.rows_of(store); });
    EXPECT_TRUE(contains(message, path_.string()) && contains(message, reason)) << message;
  };
  write();
  refused(images(4), "image 0 needs row -1");
  refused(images(4, {0, 3, 0, 0}), "image 1 needs row 3");
  write({{"rows", torch::tensor({0, 1})}});
  refused(images(3), "'rows' has 2 entries for 3 images");
  const auto unreadable = [&](std::int64_t width, const char* reason) {
    const std::string message = message_of<DataError>([&] { Contexts(path_, width); });
    EXPECT_TRUE(contains(message, reason)) << message;
  };
  unreadable(5, "model.context_width is 5");
  write({{"rows", torch::tensor({0.5})}});
  unreadable(4, "'rows' must be int64");
  write({{"empty", torch::zeros({3, 4})}});
  unreadable(4, "'empty' must have the shape [2,4]");
  save_tensors(path_, {{"contexts", torch::zeros({3, 2, 4}, torch::kFloat64)}});
  unreadable(4, "F32, F16 or BF16");
  save_tensors(path_, {{"contexts", torch::zeros({3, 4})}});
  unreadable(4, "[rows,tokens,width]");
  save_tensors(path_, {{"context", torch::zeros({3, 2, 4})}});
  unreadable(4, "there is no tensor 'contexts'");
  fs::remove(path_);
  unreadable(4, "data.context");
}

// The context follows its image through the permutations of the epochs (data/order.h).
TEST_F(ContextsTest, FollowTheImagesOfABatch) {
  const ImageStore store = images(3);
  ContextSource source(Contexts(write(), 4), store, {.count = 4, .seed = 7}, torch::kCPU);
  for (const std::uint64_t first : {0, 4, 8}) {
    source.prepare(first);
    for (std::uint64_t i = 0; i < 4; ++i)
      EXPECT_EQ(source.contexts()[static_cast<std::int64_t>(i)][0][0].item<float>(),
                8.0f * static_cast<float>(dataset_index(first + i, 3, 7)));
  }
}

TEST_F(ContextsTest, AreDroppedWithTheProbability) {
  const ImageStore store = images(3);
  const torch::Tensor empty = torch::full({2, 4}, -1.0);
  ContextSource source(Contexts(write({{"empty", empty}}), 4), store,
                       {.count = 4000, .seed = 7, .dropout = 0.25}, torch::kCPU);
  source.prepare(0);
  const torch::Tensor first = source.contexts().clone();
  const double dropped =
      (first.select(1, 0).select(1, 0) < 0).to(torch::kFloat64).mean().item<double>();
  EXPECT_NEAR(dropped, 0.25, 0.03) << "four standard deviations";
  // Row i of a batch is image first_position + i, so batches can be cut anywhere.
  source.prepare(1000);
  EXPECT_TRUE(torch::equal(source.contexts().narrow(0, 0, 3000), first.narrow(0, 1000, 3000)));
}

}  // namespace
}  // namespace ddpm
