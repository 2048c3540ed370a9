#include "ddpm/architecture/receptive_field.h"

#include <gtest/gtest.h>

#include <map>

#include "config/config_error.h"
#include "ddpm/architecture/hifi_gan_graph.h"
#include "ddpm/architecture/unet_graph.h"
#include "support/hifi_gan.h"
#include "support/models.h"
#include "support/stable_diffusion.h"

namespace ddpm {
namespace {

LayerGraph graph_of(int version) {
  return hifi_gan_graph(testing::hifi_gan_config(version)).axes.front().graph;
}

// A chain of layers behind the input.
LayerGraph chain(const std::vector<Layer>& layers) {
  LayerGraph graph;
  std::size_t last = graph.add({.name = "input", .kind = LayerKind::kInput, .inputs = {}});
  for (Layer layer : layers) {
    layer.inputs = {last};
    last = graph.add(std::move(layer));
  }
  return graph;
}

Layer convolution(Taps taps) {
  return {.name = "c", .kind = LayerKind::kConvolution, .taps = taps, .inputs = {}};
}
Layer transposed(Taps taps) {
  return {.name = "t", .kind = LayerKind::kTransposed, .taps = taps, .inputs = {}};
}

ModelConfig unet(std::size_t levels, std::int64_t blocks) {
  ModelConfig model;
  model.width_multipliers.assign(levels, 1);
  model.attention.assign(levels, false);
  model.blocks_per_level = blocks;
  return model;
}

ReceptiveField field_of(const ModelConfig& model) {
  return receptive_field(unet_graph(model, 0, 0).axes.front().graph);
}

// The published generator's figures were computed by intervals, by sets and by gradients through a
// network with positive weights, all outside of this program.
TEST(ReceptiveField, OfHifiGanV1IsExact) {
  const ReceptiveField field = receptive_field(graph_of(1));
  EXPECT_EQ(field.period, 256);
  EXPECT_EQ(field.outputs_per_input, (Fraction{256, 1}));
  EXPECT_EQ(field.size.minimum, 26);
  EXPECT_EQ(field.size.maximum, 27);
  EXPECT_EQ(field.size.mean, 26.453125);
  EXPECT_EQ(field.whole_period.size, 27);
  EXPECT_EQ(field.whole_period.left, 13);
  EXPECT_EQ(field.whole_period.right, 13);
  EXPECT_EQ(field.influence.minimum, 6772);
  EXPECT_EQ(field.influence.maximum, 6772);
  EXPECT_EQ(field.reach, (Interval{-3258, 3513}));
  EXPECT_FALSE(field.has_holes);
  ASSERT_EQ(field.phases.size(), 3U);
  const std::array<std::array<std::int64_t, 5>, 3> phases = {
      {{0, 69, 13, 12, 26}, {70, 185, 13, 13, 27}, {186, 255, 12, 13, 26}}};
  for (std::size_t i = 0; i < phases.size(); ++i) {
    const PhaseField& phase = field.phases[i];
    EXPECT_EQ((std::array{phase.first, phase.last, phase.left, phase.right, phase.size}),
              phases[i]);
  }
}

TEST(ReceptiveField, OfHifiGanV1GrowsLayerByLayer) {
  const LayerGraph graph = graph_of(1);
  const ReceptiveField field = receptive_field(graph);
  struct Row {
    std::int64_t samples_per_position;
    double mean;
    std::int64_t hop, influence;
  };
  const std::map<std::string, Row> rows = {
      {"conv_post", {1, 1, 256, 6772}},  {"mrf.3", {1, 7, 262, 6766}},
      {"ups.3", {1, 127, 382, 6646}},    {"mrf.2", {2, 65, 192, 3322}},
      {"ups.2", {2, 185, 312, 3202}},    {"mrf.1", {4, 94, 158, 1600}},
      {"ups.1", {4, 214, 278, 1480}},    {"mrf.0", {32, 28.625, 36, 184}},
      {"ups.0", {32, 148.625, 156, 64}}, {"conv_pre", {256, 20.453125, 21, 7}},
      {"mel", {256, 26.453125, 27, 1}}};
  std::size_t found = 0;
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    const auto row = rows.find(graph.layers[i].name);
    EXPECT_EQ(row == rows.end(), graph.layers[i].inner) << graph.layers[i].name;
    if (row == rows.end()) continue;
    ++found;
    const LayerField& layer = field.layers[i];
    EXPECT_EQ(layer.outputs_per_position, (Fraction{row->second.samples_per_position, 1}));
    EXPECT_EQ(layer.one_output.mean, row->second.mean) << row->first;
    EXPECT_EQ(layer.period, row->second.hop) << row->first;
    EXPECT_EQ(layer.one_input.maximum, row->second.influence) << row->first;
  }
  EXPECT_EQ(found, rows.size());
}

TEST(ReceptiveField, OfHifiGanV2EqualsV1AndV3IsNarrower) {
  const ReceptiveField second = receptive_field(graph_of(2));
  EXPECT_EQ(second.size.mean, 26.453125);
  EXPECT_EQ(second.reach, (Interval{-3258, 3513}));
  const ReceptiveField third = receptive_field(graph_of(3));
  EXPECT_EQ(third.size.minimum, 21);
  EXPECT_EQ(third.size.maximum, 22);
  EXPECT_EQ(third.whole_period.size, 23);
  EXPECT_EQ(third.influence.maximum, 5420);
  EXPECT_EQ(third.size.mean, 5420.0 / 256);
}

// 3 in convs2, 11 in the widest block: (11-1)(1+3+5) + 3 * (11-1) = 120.
TEST(ReceptiveField, NamesTheBranchesThatDecide) {
  const LayerGraph graph = graph_of(1);
  std::vector<std::string> branches;
  for (const PathStep& step : receptive_field(graph).widest_path)
    if (!graph.layers[step.layer].inner && step.branch)
      branches.push_back(graph.layers[*step.branch].name);
  EXPECT_EQ(branches, (std::vector<std::string>{"resblocks.2", "resblocks.5", "resblocks.8",
                                                "resblocks.11"}));
}

// The mean over phases by the closed formula 1 + (8b+4)(2^n - 1) + 6 * 2^n.
TEST(ReceptiveField, OfUNetsIsTheClosedFormula) {
  for (std::size_t levels = 1; levels <= 5; ++levels)
    for (std::int64_t blocks = 1; blocks <= 4; ++blocks)
      for (const DownsamplePadding padding : kChoices<DownsamplePadding>)
        for (const Upsampling up : {Upsampling::kNearest, Upsampling::kTransposed}) {
          ModelConfig model = unet(levels, blocks);
          model.downsample_padding = padding;
          model.upsample = up;
          const ReceptiveField field = field_of(model);
          const std::int64_t scale = std::int64_t{1} << levels;
          EXPECT_EQ(field.size.mean,
                    static_cast<double>(1 + (8 * blocks + 4) * (scale - 1) + 6 * scale))
              << levels << " " << blocks << " " << name_of(up);
          EXPECT_EQ(field.period, scale / 2);
          EXPECT_EQ(field.influence.mean, field.size.mean);
        }
}

TEST(ReceptiveField, OfPublishedUNets) {
  const ReceptiveField three = field_of(unet(3, 2));
  EXPECT_EQ(three.size.minimum, 189);
  EXPECT_EQ(three.size.maximum, 189);
  const ReceptiveField cifar = field_of(testing::ho_cifar10());
  EXPECT_EQ(cifar.size.minimum, 393);
  EXPECT_EQ(cifar.size.maximum, 401);
}

TEST(ReceptiveField, ListsNormsAndAttentionAsGlobal) {
  const LayerGraph graph = unet_graph(testing::ho_cifar10(), 32, 32).axes.front().graph;
  std::map<std::string, int> notes;
  for (const std::size_t layer : global_layers(graph)) ++notes[graph.layers[layer].note];
  // 22 residual blocks with two norms, one before each attention, and the last. Attention is at
  // 16x16 (two blocks down, three up) and in the middle.
  EXPECT_EQ(notes, (std::map<std::string, int>{{"attention", 6}, {"group norm", 51}}));
  EXPECT_TRUE(global_layers(graph_of(1)).empty());
}

// CompVis's v1 has 22 residual blocks and 16 transformers, each of which has a norm.
TEST(ReceptiveField, ListsTransformersAsGlobal) {
  const LayerGraph graph = unet_graph(testing::sd1(), 64, 64).axes.front().graph;
  std::map<std::string, int> notes;
  for (const std::size_t layer : global_layers(graph)) ++notes[graph.layers[layer].note];
  EXPECT_EQ(notes, (std::map<std::string, int>{{"transformer", 16}, {"group norm", 61}}));
}

TEST(ReceptiveField, AsymmetricPaddingShiftsTheView) {
  ModelConfig model = unet(2, 1);
  model.downsample_padding = DownsamplePadding::kAsymmetric;
  const ReceptiveField shifted = field_of(model);
  model.downsample_padding = DownsamplePadding::kSymmetric;
  const ReceptiveField centred = field_of(model);
  ASSERT_EQ(shifted.phases.size(), centred.phases.size());
  for (std::size_t i = 0; i < shifted.phases.size(); ++i) {
    EXPECT_EQ(shifted.phases[i].size, centred.phases[i].size);
    EXPECT_EQ(shifted.phases[i].right, centred.phases[i].right + 1);
    EXPECT_EQ(shifted.phases[i].left, centred.phases[i].left - 1);
  }
}

// Kernels smaller than the stride leave positions out.
TEST(ReceptiveField, FindsHolesAndOutputsThatSeeNothing) {
  const ReceptiveField strided =
      receptive_field(chain({convolution({.kernel = 1, .stride = 3}), convolution({.kernel = 2})}));
  EXPECT_TRUE(strided.has_holes);
  EXPECT_EQ(strided.size.maximum, 2);  // inputs 0 and 3
  EXPECT_EQ(strided.phases.front().right, 3);
  EXPECT_EQ(strided.influence.minimum, 0);  // inputs 1 and 2 change nothing
  EXPECT_EQ(strided.influence.maximum, 2);
  const ReceptiveField sparse = receptive_field(chain({transposed({.kernel = 1, .stride = 2})}));
  EXPECT_EQ(sparse.size.minimum, 0);
  EXPECT_EQ(sparse.size.maximum, 1);
  EXPECT_EQ(sparse.size.mean, 0.5);
  const ReceptiveField dilated =
      receptive_field(chain({convolution({.kernel = 3, .dilation = 5})}));
  EXPECT_TRUE(dilated.has_holes);
  EXPECT_EQ(dilated.size.maximum, 3);  // of a hull of 11
  EXPECT_EQ(dilated.phases.front().right, 10);
}

// WaveNet's stack: kernels of 2 with dilations 1, 2, 4 ... 512 see 1024 samples without a hole.
TEST(ReceptiveField, DilationsFillEachOthersHoles) {
  std::vector<Layer> layers;
  for (std::int64_t dilation = 1; dilation <= 512; dilation *= 2)
    layers.push_back(convolution({.kernel = 2, .padding = dilation, .dilation = dilation}));
  const ReceptiveField field = receptive_field(chain(layers));
  EXPECT_EQ(field.size.minimum, 1024);
  EXPECT_FALSE(field.has_holes);
  EXPECT_EQ(field.phases.front().left, 1023);
  EXPECT_EQ(field.phases.front().right, 0);
}

TEST(ReceptiveField, OfAnEncoderCountsSeveralInputsForEachOutput) {
  const ReceptiveField field = receptive_field(
      chain({convolution({.kernel = 10, .stride = 5}), convolution({.kernel = 3, .stride = 2})}));
  EXPECT_EQ(field.outputs_per_input, (Fraction{1, 10}));
  EXPECT_EQ(field.period, 1);
  EXPECT_EQ(field.size.minimum, 20);  // (3 - 1) * 5 + 10
}

// 8192 samples of training hold 32 frames; 13 frames at each end see padding.
TEST(ReceptiveField, TellsWhatASegmentHasFreeOfPadding) {
  const FreeOfPadding free = free_of_padding(graph_of(1), 32);
  EXPECT_EQ(free.outputs, 8192);
  EXPECT_EQ(free.free, 8192 - (6772 - 256));
  // Sample 13 * 256 is the first, and 19 * 256 - 1 + ... the last, whose right context is 12.
  EXPECT_EQ(free.hull, (Interval{3258, 8191 - 3258}));
  EXPECT_EQ(free_of_padding(graph_of(1), 20).free, 0);
  const FreeOfPadding unet_free =
      free_of_padding(unet_graph(testing::ho_cifar10(), 32, 32).axes.front().graph, 32);
  EXPECT_EQ(unet_free.free, 0);
  EXPECT_EQ(unet_free.outputs, 32);
}

TEST(ReceptiveField, TellsWhichImagesAreSeenAsAWhole) {
  // Three pixels: the middle one sees both others, the ends of two pixels see each other.
  const auto small = whole_lengths(chain({same_convolution("c", 0, 3)}));
  ASSERT_TRUE(small);
  EXPECT_EQ(small->every_output, 2);
  EXPECT_EQ(small->some_output, 3);
  // Of three causal layers the last output sees most.
  const auto causal =
      whole_lengths(chain(std::vector<Layer>(3, convolution({.kernel = 4, .padding = 3}))));
  ASSERT_TRUE(causal);
  EXPECT_EQ(causal->every_output, 1);
  EXPECT_EQ(causal->some_output, 10);
  EXPECT_FALSE(whole_lengths(graph_of(1)));  // as many outputs as inputs are needed
  EXPECT_FALSE(whole_lengths(chain({convolution({.kernel = 3})})));
  // Each pixel of a UNet by itself, with the ends of the image.
  const LayerGraph graph = unet_graph(unet(3, 1), 0, 0).axes.front().graph;
  const auto whole = whole_lengths(graph);
  ASSERT_TRUE(whole);
  for (std::int64_t size = 4; size <= 160; size += 4) {
    const std::vector<std::int64_t> lengths = layer_lengths(graph, size);
    std::int64_t seeing = 0;
    for (std::int64_t pixel = 0; pixel < size; ++pixel)
      seeing += seen_inputs(graph, pixel, &lengths).count() == size ? 1 : 0;
    EXPECT_EQ(seeing == size, size <= whole->every_output) << size;
    EXPECT_EQ(seeing > 0, size <= whole->some_output) << size;
  }
}

TEST(ReceptiveField, NaiveRecipeForgetsTheKernelsOfTransposedConvolutions) {
  EXPECT_EQ(naive_receptive_field(graph_of(1)), 24.30859375);
}

TEST(ReceptiveField, RefusesWhatCannotBeComputed) {
  const auto error = [](const std::vector<Layer>& layers) {
    return config_error([&] { receptive_field(chain(layers)); });
  };
  EXPECT_NE(error(std::vector<Layer>(50, convolution({.kernel = 2, .stride = 2}))).find("multiply"),
            std::string::npos);
  EXPECT_NE(error(std::vector<Layer>(30, transposed({.kernel = 2, .stride = 2}))).find("repeats"),
            std::string::npos);
  // 2^20 taps at a distance of 2^20 are 2^40 positions.
  const Layer huge = convolution({.kernel = kMaxTap, .padding = 0, .dilation = kMaxTap});
  EXPECT_NE(error({huge, huge, huge}).find("too many"), std::string::npos);
  const Layer strided = convolution({.kernel = kMaxTap, .stride = kMaxTap});
  const LayerGraph wide = chain({strided, strided, convolution({.kernel = kMaxTap})});
  EXPECT_NE(config_error([&] { seen_inputs(wide, 0); }).find("beyond"), std::string::npos);
}

}  // namespace
}  // namespace ddpm
