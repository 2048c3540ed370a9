#include "ddpm/interop/autoencoder.h"

#include <gtest/gtest.h>

#include <set>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "support/autoencoder.h"

namespace ddpm {
namespace {

using Shape = std::vector<std::int64_t>;
using testing::add_layer;

TensorSet compvis_tensors() { return testing::compvis_autoencoder({128, 256, 512, 512}, 2); }

const TensorView& get(const TensorSet& set, const std::string& name) {
  const TensorView* view = set.find(name);
  if (view == nullptr) throw std::out_of_range(name);
  return *view;
}

TEST(AutoencoderNames, AreABijection) {
  const TensorSet compvis = compvis_tensors();
  ASSERT_EQ(compvis.tensors.size(), 248);
  const TensorSet own = autoencoder_from_scheme(compvis, {});
  std::set<std::string> names;
  for (const TensorView& view : own.tensors) names.insert(view.name);
  EXPECT_EQ(names.size(), 248);
  const TensorSet back = autoencoder_to_scheme(own, AutoencoderScheme::kCompvis, {});
  for (std::size_t i = 0; i < back.tensors.size(); ++i) {
    EXPECT_EQ(back.tensors[i].name, compvis.tensors[i].name);
    EXPECT_EQ(back.tensors[i].shape, compvis.tensors[i].shape) << back.tensors[i].name;
  }
}

TEST(AutoencoderNames, AreThoseOfDiffusers) {
  const TensorSet own = autoencoder_from_scheme(compvis_tensors(), {});
  EXPECT_EQ(get(own, "decoder.up_blocks.3.resnets.0.conv_shortcut.weight").shape,
            (Shape{128, 256, 1, 1}));
  EXPECT_EQ(get(own, "decoder.up_blocks.0.upsamplers.0.conv.weight").shape,
            (Shape{512, 512, 3, 3}));
  EXPECT_EQ(get(own, "encoder.down_blocks.1.downsamplers.0.conv.bias").shape, (Shape{256}));
  EXPECT_EQ(get(own, "encoder.mid_block.attentions.0.to_out.0.weight").shape, (Shape{512, 512}));
  EXPECT_EQ(get(own, "decoder.conv_norm_out.weight").shape, (Shape{128}));
}

TEST(AutoencoderNames, OfOldFilesAreRead) {
  TensorSet old;
  add_layer(old, "encoder.mid_block.attentions.0.query", {8, 8});
  add_layer(old, "encoder.mid_block.attentions.0.proj_attn", {8, 8, 1, 1});
  const TensorSet own = autoencoder_from_scheme(old, {});
  EXPECT_EQ(get(own, "encoder.mid_block.attentions.0.to_q.weight").shape, (Shape{8, 8}));
  EXPECT_EQ(get(own, "encoder.mid_block.attentions.0.to_out.0.weight").shape, (Shape{8, 8}));
}

TEST(Autoencoder, IsReadOffItsTensors) {
  const TensorSet compvis = compvis_tensors();
  for (const TensorSet& set : {compvis, autoencoder_from_scheme(compvis, {})}) {
    const AutoencoderConfig config = infer_autoencoder(set);
    EXPECT_EQ(config.widths, (Shape{128, 256, 512, 512}));
    EXPECT_EQ(config.blocks, 2);
    EXPECT_EQ(config.image_channels, 3);
    EXPECT_EQ(config.latent_channels, 4);
    EXPECT_TRUE(config.middle_attention && config.quant_convolution);
    EXPECT_TRUE(config.post_quant_convolution);
  }
  TensorSet other;
  add_layer(other, "conv_in", {320, 4, 3, 3});
  EXPECT_THROW(infer_autoencoder(other), CheckpointError);
}

TEST(AutoencoderConfig, HasTheDefaultsOfDiffusers) {
  const nlohmann::json published = {{"_class_name", "AutoencoderKL"},
                                    {"block_out_channels", {128, 256, 512, 512}},
                                    {"layers_per_block", 2},
                                    {"sample_size", 512}};
  EXPECT_EQ(read_autoencoder_config(published, "c").scale, 0.18215);
  EXPECT_EQ(read_autoencoder_config(nlohmann::json::object(), "c").widths, (Shape{64}));
  const auto error_with = [&](const char* key, const nlohmann::json& value) -> std::string {
    nlohmann::json changed = published;
    changed[key] = value;
    try {
      read_autoencoder_config(changed, "c.json");
    } catch (const CheckpointError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(error_with("_class_name", "AutoencoderTiny").find("_class_name"), std::string::npos);
  EXPECT_NE(error_with("down_block_types", {"Other"}).find("DownEncoderBlock2D"),
            std::string::npos);
  EXPECT_NE(error_with("block_out_channels", {100}).find("32 groups"), std::string::npos);
  EXPECT_NE(error_with("latents_mean", {0.5}).find("latents_mean"), std::string::npos);
  EXPECT_NE(error_with("scaling_factor", 0).find("positive"), std::string::npos);
}

}  // namespace
}  // namespace ddpm
