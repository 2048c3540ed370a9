#include "ddpm/architecture/layer_graph.h"

#include <gtest/gtest.h>

#include "config/config_error.h"
#include "ddpm/architecture/receptive_field.h"
#include "ddpm/base/format.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;

NetworkGraph read(const std::string& text) { return read_layer_graph(text, "my.json"); }

// A graph with these layers.
std::string with(const std::string& layers) { return R"({"layers": [)" + layers + "]}"; }

void expect_error(const std::string& text, const std::vector<std::string>& parts) {
  const std::string message = config_error([&] { read(text); });
  for (const std::string& part : parts) EXPECT_TRUE(contains(message, part)) << message;
  EXPECT_TRUE(message.starts_with("my.json: ")) << message;
}

TEST(LayerGraph, IsReadWithDefaults) {
  const NetworkGraph network = read(with(R"(
    {"type": "conv", "kernel": 5, "stride": 2, "dilation": 3, "padding": 4},
    {"name": "up", "type": "transposed_conv", "kernel": 4, "stride": 2, "padding": 1,
     "padding_after": 0, "output_padding": 1},
    {"type": "nearest", "factor": 3})"));
  EXPECT_EQ(network.input_unit, "position");
  EXPECT_EQ(network.inputs_per_second, 0);
  ASSERT_EQ(network.axes.size(), 1U);
  const std::vector<Layer>& layers = network.axes.front().graph.layers;
  ASSERT_EQ(layers.size(), 4U);
  EXPECT_EQ(layers[0].name, "input");
  EXPECT_EQ(layers[1].name, "layer 0");
  EXPECT_EQ(layers[1].kind, LayerKind::kConvolution);
  EXPECT_EQ(layers[1].taps.kernel, 5);
  EXPECT_EQ(layers[1].taps.stride, 2);
  EXPECT_EQ(layers[1].taps.dilation, 3);
  EXPECT_EQ(layers[1].taps.padding, 4);
  EXPECT_EQ(layers[1].padding_after, 4);
  EXPECT_EQ(layers[1].inputs, (std::vector<std::size_t>{0}));
  EXPECT_EQ(layers[2].padding_after, 0);
  EXPECT_EQ(layers[2].output_padding, 1);
  EXPECT_EQ(layers[3].taps.kernel, 3);
  EXPECT_EQ(layers[3].taps.stride, 3);
}

TEST(LayerGraph, MayBeInAnyOrderAndHaveSeveralAxes) {
  const NetworkGraph network = read(R"({
    "axes": ["height", "width"], "length": [32, 64], "input": "picture", "output": "sum",
    "layers": [
      {"name": "sum", "type": "add", "input": ["b", "a", "picture"]},
      {"name": "b", "type": "conv", "input": "a", "kernel": [1, 7], "padding": [0, 3]},
      {"name": "a", "type": "global", "input": "picture"}]})");
  ASSERT_EQ(network.axes.size(), 2U);
  EXPECT_EQ(network.axes[0].length, 32);
  EXPECT_EQ(network.axes[1].length, 64);
  const LayerGraph& width = network.axes[1].graph;
  EXPECT_EQ(width.layers.back().name, "sum");
  EXPECT_EQ(width.layers.back().inputs, (std::vector<std::size_t>{2, 1, 0}));
  EXPECT_EQ(receptive_field(network.axes[0].graph).size.maximum, 1);
  EXPECT_EQ(receptive_field(width).size.maximum, 7);
  EXPECT_EQ(global_layers(width).size(), 1U);
}

TEST(LayerGraph, OfTheExampleIsAsComputedByHand) {
  const NetworkGraph network =
      read(testing::content_of(DDPM_SOURCE_DIR "/configs/layer-graph.json"));
  const ReceptiveField field = receptive_field(network.axes.front().graph);
  // 1 + 6 * 256 of the first layer, (31 + 1 - 16) * 16 of the second, (11 - 1) * 5 of the widest
  // branch, and 256 - 1 because one frame is repeated for a whole hop in the end.
  EXPECT_EQ(field.influence.maximum, 6 * 256 + 31 * 16 + 15 + 50 + 1);
  EXPECT_EQ(field.period, 256);
}

TEST(LayerGraph, ErrorsNameTheKey) {
  expect_error("[]", {"must be an object"});
  expect_error("{", {"not valid JSON"});
  expect_error("{}", {"layers must be a list"});
  expect_error(with(""), {"layers must be a list"});
  expect_error(R"({"layers": [{"type": "point"}], "layer": 1})", {"layer is no key", "'layers'"});
  expect_error(with("3"), {"layers[0] must be an object", "not 3"});
  expect_error(with("{}"), {"layers[0].type is missing", "conv"});
  expect_error(with(R"({"type": "convolution"})"), {"layers[0].type is 'convolution'", "conv"});
  expect_error(with(R"({"type": "input"})"), {"layers[0].type is 'input'"});
  expect_error(with(R"({"type": 3})"), {"layers[0].type must be a text, not 3"});
  expect_error(with(R"({"type": "conv"})"), {"layers[0].kernel is missing"});
  expect_error(with(R"({"type": "nearest"})"), {"layers[0].factor is missing"});
  expect_error(with(R"({"type": "conv", "kernel": "3"})"),
               {"layers[0].kernel must be a whole number from 1 to 1048576, not \"3\""});
  for (const char* number : {"0", "-1", "2.5", "1e30", "18446744073709551615", "1048577", "[3]"})
    expect_error(with(format_text(R"({{"type": "conv", "kernel": {}}})", number)),
                 {"layers[0].kernel must be"});
  expect_error(with(R"({"type": "conv", "kernel": 3, "stride": 0})"), {"layers[0].stride"});
  expect_error(with(R"({"type": "conv", "kernel": 3, "padding": -1})"), {"layers[0].padding"});
  expect_error(with(R"({"type": "conv", "kernel": 3, "dilatoin": 2})"),
               {"layers[0].dilatoin is no key of a layer of type conv", "'dilation'"});
  expect_error(with(R"({"type": "conv", "kernel": 3, "output_padding": 1})"),
               {"layers[0].output_padding is no key"});
  expect_error(with(R"({"type": "point", "kernel": 3})"), {"layers[0].kernel is no key"});
  expect_error(R"({"axes": ["a", "a"], "layers": [{"type": "point"}]})", {"axes must be"});
  expect_error(R"({"axes": ["a", "b"], "layers": [{"type": "conv", "kernel": [1, 2, 3]}]})",
               {"layers[0].kernel", "one for each axis"});
  expect_error(R"({"inputs_per_second": 0, "layers": [{"type": "point"}]})",
               {"inputs_per_second must be a number above 0"});
  expect_error(R"({"layers": [{"type": "point"}], "layers": []})", {"'layers' appears twice"});
}

TEST(LayerGraph, ErrorsNameTheLayer) {
  const std::string a = R"({"name": "a", "type": "point"})",
                    b = R"({"name": "b", "type": "point"})";
  expect_error(with(a + "," + a), {"layers[1].name 'a' is the name of layers[0] too"});
  expect_error(with(R"({"name": "input", "type": "point"})"), {"layers[0].name", "the input"});
  expect_error(with(a + R"(, {"type": "add", "input": ["a", "inptu"]})"),
               {"layers[1].input is wrong: there is no layer 'inptu'", "'input'"});
  expect_error(with(R"({"type": "conv", "kernel": 3, "input": ["x", "y"]})"),
               {"layers[0].input lists 2 layers", "add or concat"});
  expect_error(with(R"({"type": "add", "input": []})"), {"layers[0].input must be"});
  expect_error(with(R"({"type": "add", "input": [1]})"), {"layers[0].input must be"});
  expect_error(R"({"output": "c", "layers": [)" + a + "]}", {"output: there is no layer 'c'"});
  expect_error(R"({"output": "a", "layers": [)" + a + "," + b + "]}",
               {"layers[1].name 'b' leads nowhere"});
  expect_error(with(R"({"name": "a", "type": "nearest", "factor": 2},
                       {"name": "b", "type": "add", "input": ["a", "input"]})"),
               {"layer 'b' joins inputs of different resolutions", "'a' has 2 for each position"});
}

TEST(LayerGraph, CyclesAreShown) {
  expect_error(with(R"({"name": "a", "type": "add", "input": ["input", "c"]},
                       {"name": "b", "type": "point"}, {"name": "c", "type": "point"})"),
               {"layers[0].input closes a cycle: c -> a -> b -> c"});
  expect_error(with(R"({"name": "a", "type": "point", "input": "a"})"), {"cycle: a -> a"});
}

TEST(LayerGraph, LongChainsAreNoProblem) {
  std::string layers;
  for (int i = 0; i < 9000; ++i)
    layers += std::string(i > 0 ? "," : "") + R"({"type": "conv", "kernel": 3, "padding": 1})";
  EXPECT_EQ(receptive_field(read(with(layers)).axes.front().graph).size.maximum, 18001);
}

// The lengths are those of LibTorch's layers.
TEST(LayerGraph, KnowsTheLengthOfEachResult) {
  const LayerGraph graph = read(with(R"(
    {"type": "conv", "kernel": 5, "stride": 2, "padding": 1},
    {"type": "transposed_conv", "kernel": 4, "stride": 3, "padding": 1, "output_padding": 2},
    {"type": "nearest", "factor": 2})"))
                               .axes.front()
                               .graph;
  // (10 + 2 - 5) / 2 + 1 = 4; (4 - 1) * 3 - 2 + 4 + 2 = 13; 26.
  EXPECT_EQ(layer_lengths(graph, 10), (std::vector<std::int64_t>{10, 4, 13, 26}));
  EXPECT_TRUE(contains(config_error([&] { layer_lengths(graph, 2); }), "layer 'layer 0'"));
  const LayerGraph uneven = read(with(R"(
    {"name": "half", "type": "conv", "kernel": 2, "stride": 2},
    {"name": "up", "type": "nearest", "factor": 2},
    {"name": "sum", "type": "add", "input": ["up", "input"]})"))
                                .axes.front()
                                .graph;
  EXPECT_EQ(layer_lengths(uneven, 6).back(), 6);
  EXPECT_TRUE(contains(config_error([&] { layer_lengths(uneven, 7); }), "layer 'sum' joins"));
}

}  // namespace
}  // namespace ddpm
