#include "ddpm/nn/parameter_layout.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include <map>

#include "ddpm/nn/unet.h"
#include "support/fill.h"
#include "support/models.h"
#include "support/networks.h"

namespace ddpm {
namespace {

std::int64_t offset_of(const torch::Tensor& view, const torch::Tensor& flat) {
  return view.storage_offset() - flat.storage_offset();
}

class LayoutTest : public ::testing::Test {
 protected:
  UNet net_{testing::tiny(), 3};
  ParameterLayout layout_{*net_};
};

TEST_F(LayoutTest, NamesAndShapesAreTheModules) {
  const auto views = layout_.views(layout_.allocate(torch::kFloat32, torch::kCPU));
  const auto parameters = net_->named_parameters();
  ASSERT_EQ(views.size(), parameters.size());
  std::int64_t count = 0;
  for (std::size_t i = 0; i < views.size(); ++i) {
    EXPECT_EQ(views[i].name, parameters[i].key());
    EXPECT_EQ(views[i].tensor.sizes(), parameters[i].value().sizes());
    count += views[i].tensor.numel();
  }
  EXPECT_EQ(layout_.parameter_count(), count);
}

TEST_F(LayoutTest, PlacesAreAlignedAndDoNotOverlap) {
  const torch::Tensor flat = layout_.allocate(torch::kFloat32, torch::kCPU);
  std::int64_t end = 0;
  for (const NamedTensor& view : layout_.views(flat)) {
    EXPECT_EQ(offset_of(view.tensor, flat) % 64, 0) << view.name;
    EXPECT_GE(offset_of(view.tensor, flat), end) << view.name;
    EXPECT_LT(offset_of(view.tensor, flat), end + 64) << view.name;
    end = offset_of(view.tensor, flat) + view.tensor.numel();
    view.tensor.fill_(1);
  }
  EXPECT_LE(end, flat.numel());
  EXPECT_EQ(flat.sum().item<double>(), static_cast<double>(layout_.parameter_count()));
}

TEST_F(LayoutTest, JoinedParametersFollowEachOther) {
  const ParameterLayout layout(*net_, net_->joined_parameters());
  const torch::Tensor flat = layout.allocate(torch::kFloat32, torch::kCPU);
  std::map<std::int64_t, std::int64_t> ends;  // the end of each parameter, by its beginning
  for (const NamedTensor& view : layout.views(flat)) {
    const std::int64_t begin = offset_of(view.tensor, flat);
    EXPECT_TRUE(ends.emplace(begin, begin + view.tensor.numel()).second) << view.name;
    view.tensor.fill_(1);
  }
  EXPECT_EQ(flat.sum().item<double>(), static_cast<double>(layout.parameter_count()));
  layout.bind_parameters(*net_, flat);
  std::size_t joined = 0;
  for (const std::vector<torch::Tensor>& list : net_->joined_parameters()) {
    for (std::size_t i = 1; i < list.size(); ++i) {
      if (list[i - 1].numel() % 64 != 0) continue;
      EXPECT_EQ(ends.at(list[i - 1].storage_offset()), list[i].storage_offset());
      ++joined;
    }
  }
  EXPECT_GT(joined, 0u);
}

TEST_F(LayoutTest, ConvolutionsLieChannelsLast) {
  for (const NamedTensor& view : layout_.views(layout_.allocate(torch::kFloat32, torch::kCPU))) {
    if (view.tensor.dim() == 4)
      EXPECT_TRUE(view.tensor.is_contiguous(torch::MemoryFormat::ChannelsLast)) << view.name;
    else
      EXPECT_TRUE(view.tensor.is_contiguous()) << view.name;
  }
}

TEST_F(LayoutTest, BindingTakesTheValuesOfTheBuffer) {
  const torch::Tensor flat = layout_.allocate(torch::kBFloat16, torch::kCPU);
  flat.fill_(0.5);
  layout_.bind_parameters(*net_, flat);
  for (const torch::Tensor& parameter : net_->parameters()) {
    EXPECT_EQ(parameter.scalar_type(), torch::kBFloat16);
    EXPECT_TRUE(parameter.requires_grad());
    EXPECT_EQ(parameter.min().item<float>(), 0.5f);
  }
}

TEST_F(LayoutTest, UndefinedGradientsLeaveTheirPlaces) {
  const torch::Tensor flat = layout_.allocate(torch::kFloat32, torch::kCPU);
  flat.fill_(3);
  std::vector<torch::Tensor> gradients(net_->parameters().size());
  gradients[1] = torch::full_like(net_->parameters()[1], 2.0f).detach();
  layout_.gather(gradients, flat, /*accumulate=*/true);
  const auto views = layout_.views(flat);
  EXPECT_EQ(views[0].tensor.max().item<float>(), 3.0f);
  EXPECT_EQ(views[1].tensor.min().item<float>(), 5.0f);
  EXPECT_EQ(views[2].tensor.max().item<float>(), 3.0f);
}

TEST(ParameterLayout, ModulesViewOneBuffer) {
  UNet net = testing::initialized_unet(testing::tiny(), 3);
  testing::hash_fill(*net);
  const ParameterLayout layout(*net);
  const torch::Tensor x = torch::randn({1, 3, 8, 8}), t = torch::tensor({5});
  torch::NoGradGuard no_grad;
  const torch::Tensor before = net->forward(x, t);
  torch::Tensor flat = layout.allocate(torch::kFloat32, torch::kCPU);
  std::vector<NamedTensor> views = layout.views(flat);
  for (const auto& item : net->named_parameters())
    for (NamedTensor& view : views)
      if (view.name == item.key()) view.tensor.copy_(item.value());
  layout.bind_parameters(*net, flat);
  EXPECT_TRUE(torch::allclose(net->forward(x, t), before, 1e-4, 1e-6));
  flat.zero_();
  EXPECT_EQ(net->forward(x, t).abs().max().item<double>(), 0);
}

TEST(ParameterLayout, GathersGradientsInOneBuffer) {
  UNet net = testing::initialized_unet(testing::tiny(), 3);
  testing::hash_fill(*net);
  const ParameterLayout layout(*net);
  const torch::Tensor flat = layout.allocate(torch::kFloat32, torch::kCPU);
  const torch::Tensor x = torch::randn({2, 3, 8, 8}), t = torch::tensor({5, 6});
  const std::vector<torch::Tensor> gradients =
      torch::autograd::grad({net->forward(x, t).pow(2).sum()}, net->parameters());
  layout.gather(gradients, flat, /*accumulate=*/false);
  layout.gather(gradients, flat, /*accumulate=*/true);
  const std::vector<NamedTensor> views = layout.views(flat);
  ASSERT_EQ(views.size(), gradients.size());
  for (std::size_t i = 0; i < views.size(); ++i)
    EXPECT_TRUE(torch::equal(views[i].tensor, 2 * gradients[i])) << views[i].name;
}

}  // namespace
}  // namespace ddpm
