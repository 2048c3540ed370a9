#include "ddpm/formats/tensor_set.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;

class ShardedTest : public ::testing::Test {
 protected:
  ShardedTest() {
    write_shard("m-1.safetensors", {"a", "b"});
    write_shard("m-2.safetensors", {"c"});
  }
  void write_shard(const std::string& name, const std::vector<std::string>& tensors) {
    std::vector<TensorView> views;
    for (const std::string& tensor : tensors)
      views.push_back({tensor, DType::kU8, {4}, testing::as_bytes(bytes_)});
    write_safetensors(folder_ / name, views, {{"format", "pt"}});
  }
  TensorSet read(const std::string& index) {
    return read_sharded_safetensors(folder_.write("m.safetensors.index.json", index));
  }
  std::string error_of(const std::string& index) {
    return testing::message_of<CheckpointError>([&] { read(index); });
  }

  std::string bytes_ = "1234";
  testing::TemporaryFolder folder_;
};

TEST_F(ShardedTest, JoinsTheShards) {
  const TensorSet set = read(R"({"metadata": {"total_size": 12}, "weight_map":
               {"a": "m-1.safetensors", "b": "m-1.safetensors", "c": "m-2.safetensors"}})");
  ASSERT_EQ(set.tensors.size(), 3U);
  EXPECT_EQ(set.find("c")->bytes.size(), 4U);
  EXPECT_EQ(set.metadata.at("format"), "pt");
  EXPECT_EQ(set.path.filename(), "m.safetensors.index.json");
}

TEST_F(ShardedTest, IndexAndShardsMustAgree) {
  EXPECT_TRUE(contains(error_of(R"({"weight_map": {"a": "m-1.safetensors"}})"),
                       "m-1.safetensors: tensor 'b' should not be in this file, says"));
  EXPECT_TRUE(contains(error_of(R"({"weight_map": {"a": "m-1.safetensors", "b": "m-1.safetensors",
                                                   "d": "m-1.safetensors"}})"),
                       "tensor 'd' is missing in m-1.safetensors"));
  // Now two shards hold tensor b.
  write_shard("m-2.safetensors", {"b"});
  EXPECT_TRUE(
      contains(error_of(R"({"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}})"),
               "m-1.safetensors: tensor 'b' should not be in this file"));
}

TEST_F(ShardedTest, RefusesBadIndices) {
  EXPECT_TRUE(contains(error_of("[]"), "weight_map"));
  EXPECT_TRUE(contains(error_of(R"({"weight_map": {"a": 3}})"), "'a' does not name a file"));
  EXPECT_TRUE(contains(error_of(R"({"weight_map": {"a": "../secret.safetensors"}})"),
                       "not a file in the same folder"));
  EXPECT_TRUE(
      contains(error_of(R"({"weight_map": {"a": "none.safetensors"}})"), "none.safetensors"));
}

}  // namespace
}  // namespace ddpm
