#include "ddpm/interop/names.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>

#include "ddpm/nn/unet.h"
#include "support/models.h"

namespace ddpm {
namespace {

// Both schemes name the same tensors.
TEST(Names, SchemesNameTheSameTensors) {
  ModelConfig model = testing::tiny();
  model.width_multipliers = {1, 2, 2};
  model.attention = {false, true, true};
  model.blocks_per_level = 2;
  const auto shapes = [&](NamingScheme scheme) {
    model.names = scheme;
    std::vector<std::vector<std::int64_t>> sizes;
    for (const auto& item : UNet(model, 3)->named_parameters())
      sizes.push_back(item.value().sizes().vec());
    std::sort(sizes.begin(), sizes.end());
    return sizes;
  };
  EXPECT_EQ(shapes(NamingScheme::kDiffusers), shapes(NamingScheme::kLabml));
}

TEST(Names, AreUnique) {
  for (const NamingScheme scheme : {NamingScheme::kDiffusers, NamingScheme::kLabml}) {
    ModelConfig model = testing::tiny();
    model.names = scheme;
    std::vector<std::string> names = UNet(model, 3)->named_parameters().keys();
    std::sort(names.begin(), names.end());
    EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
  }
}

}  // namespace
}  // namespace ddpm
