#include "ddpm/io/embedding_file.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "ddpm/io/weights.h"
#include "support/files.h"

namespace ddpm {
namespace {

class EmbeddingFile : public ::testing::Test {
 protected:
  TextEmbedding open(const std::vector<NamedTensor>& tensors) {
    save_tensors(folder_ / "style.safetensors", tensors);
    return open_embedding(folder_ / "style.safetensors");
  }
  testing::TemporaryFolder folder_;
};

TEST_F(EmbeddingFile, OfWebuiHasTheNameOfTheFile) {
  const TextEmbedding embedding = open({{"emb_params", torch::ones({3, 8}, torch::kFloat16)}});
  EXPECT_EQ(embedding.word, "style");
  ASSERT_EQ(embedding.vectors.size(), 1);
  EXPECT_TRUE(torch::equal(embedding.vectors[0], torch::ones({3, 8})));
}

TEST_F(EmbeddingFile, OfDiffusersSaysItsWord) {
  const TextEmbedding embedding = open({{"<cat-toy>", torch::ones({8})}});
  EXPECT_EQ(embedding.word, "<cat-toy>");
  EXPECT_EQ(embedding.vectors[0].sizes(), torch::IntArrayRef({1, 8}));
}

TEST_F(EmbeddingFile, OfXlHasVectorsForBothEncoders) {
  const TextEmbedding embedding =
      open({{"clip_g", torch::ones({2, 20})}, {"clip_l", torch::zeros({2, 8})}});
  ASSERT_EQ(embedding.vectors.size(), 2);
  EXPECT_EQ(embedding.vectors[0].size(1), 8);
  EXPECT_EQ(embedding.vectors[1].size(1), 20);
}

TEST_F(EmbeddingFile, IsRefusedIfItHasNone) {
  EXPECT_THROW(open({{"a", torch::ones({2, 8})}, {"b", torch::ones({2, 8})}}), CheckpointError);
  EXPECT_THROW(open({{"emb_params", torch::ones({80, 8})}}), CheckpointError);
  EXPECT_THROW(open({{"emb_params", torch::ones({2, 8, 1})}}), CheckpointError);
}

}  // namespace
}  // namespace ddpm
