// `ddpm inspect --receptive-field`.
#include <gtest/gtest.h>

#include <chrono>

#include <nlohmann/json.hpp>

#include "ddpm/image/codec.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

using nlohmann::json;
using testing::contains;
using testing::ProgramResult;

const std::string kConfigs = DDPM_SOURCE_DIR "/configs/";
const std::string kVersion1 = kConfigs + "hifi-gan/config_v1.json";

class InspectReceptiveField : public testing::TinyRun {
 protected:
  ProgramResult inspect(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"inspect", "--receptive-field"});
    return run(arguments);
  }
  json inspect_json(std::vector<std::string> arguments) const {
    arguments.emplace_back("--json");
    const ProgramResult result = inspect(std::move(arguments));
    EXPECT_EQ(result.code, 0) << result.err;
    return json::parse(result.out);
  }
  // The result for a graph or config with this text must be exit code 2 and a message with the parts.
  void expect_refused(const std::string& text, const std::vector<std::string>& parts) const {
    folder_.write("bad.json", text);
    const ProgramResult result = inspect({"bad.json"});
    EXPECT_EQ(result.code, 2) << text;
    EXPECT_EQ(result.out, "");
    for (const std::string& part : parts) EXPECT_TRUE(contains(result.err, part)) << result.err;
  }
  // The published config with one key changed.
  static std::string vocoder(const char* key, const json& value) {
    json config = json::parse(testing::content_of(kVersion1));
    config[key] = value;
    return config.dump();
  }
};

TEST_F(InspectReceptiveField, TellsPeopleHowFarHifiGanSees) {
  const ProgramResult result = inspect({kVersion1});
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* part :
       {"26 to 27 frames, 26.453125 on average (301.9 to 313.5 ms)",
        "256 samples see        27 frames", "6,772 samples; frame 0 changes -3,258 to 3,513",
        "1,676 of 8,192 samples (20.5 %)", "70 to 185              13     13    27", "148 to 149",
        "mrf.3 (by resblocks.11)"})
    EXPECT_TRUE(contains(result.out, part)) << part << "\n" << result.out;
  EXPECT_FALSE(contains(result.out, "recipe"));
  EXPECT_TRUE(contains(inspect({kVersion1, "--naive"}).out, "24.30859375 frames by the recipe"));
}

TEST_F(InspectReceptiveField, IsJsonForPrograms) {
  const json result = inspect_json({kVersion1, "--segment", "64", "--naive"});
  EXPECT_EQ(result.at("network"), "HiFi-GAN generator");
  EXPECT_EQ(result.at("sees_everything"), false);
  const json& axis = result.at("axes").at(0);
  EXPECT_EQ(axis.at("axes"), json::array({"time"}));
  EXPECT_EQ(axis.at("period"), 256);
  EXPECT_EQ(axis.at("one_output").at("mean"), 26.453125);
  EXPECT_NEAR(axis.at("one_output").at("mean_ms").get<double>(), 307.1, 0.05);
  EXPECT_EQ(axis.at("whole_period").at("size"), 27);
  EXPECT_EQ(axis.at("phases").at(1),
            (json{{"first", 70}, {"last", 185}, {"left", 13}, {"right", 13}, {"size", 27}}));
  EXPECT_EQ(axis.at("one_input").at("last"), 3513);
  EXPECT_EQ(axis.at("segment").at("inputs"), 64);
  EXPECT_EQ(axis.at("segment").at("free_of_padding"), 64 * 256 - (6772 - 256));
  EXPECT_EQ(axis.at("naive_recipe"), 24.30859375);
  EXPECT_EQ(axis.at("layers").size(), 11U);
  EXPECT_EQ(axis.at("layers").at(1).at("name"), "mrf.3");
  EXPECT_EQ(axis.at("widest_path").at(3), (json{{"layer", "mrf.0"}, {"through", "resblocks.2"}}));
}

TEST_F(InspectReceptiveField, NamesWhatIsGlobalInAUNet) {
  const ProgramResult result = inspect({kConfigs + "cifar10.json"});
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* part :
       {"Every pixel sees the whole input, through attention (6 layers) and group norm (51 layers)",
        "height and width, each:", "393 to 401 pixels", "by every pixel up to 192 pixels"})
    EXPECT_TRUE(contains(result.out, part)) << result.out;
  // The options of configs apply.
  const json smaller =
      inspect_json({kConfigs + "cifar10.json", "--set", "model.width_multipliers=1,2,2", "--set",
                    "model.attention=false,true,false"});
  EXPECT_EQ(smaller.at("axes").at(0).at("one_output").at("maximum"), 189);
}

// Whatever holds the network, it is the same.
TEST_F(InspectReceptiveField, TakesConfigsRunsAndModels) {
  ASSERT_EQ(train().code, 0);
  const json config = inspect_json({"tiny.json"});
  EXPECT_EQ(config.at("axes").at(0).at("period"), 2);
  for (const char* path : {"runs/a", "runs/a/checkpoints/step_00000002",
                           "runs/a/checkpoints/step_00000002/model.safetensors"})
    EXPECT_EQ(inspect_json({path}).at("axes"), config.at("axes")) << path;
  ASSERT_EQ(run({"convert", "--model", "runs/a", "--to", "diffusers", "--output", "d"}).code, 0);
  for (const char* path : {"d", "d/unet", "d/unet/config.json"})
    EXPECT_EQ(inspect_json({path}).at("axes"), config.at("axes")) << path;
  // HiFi-GAN's config is found in a folder and beside weights.
  folder_.write("vocoder/config.json", testing::content_of(kVersion1));
  folder_.write("vocoder/generator", std::string("PK\3\4\0\0", 6));
  for (const char* path : {"vocoder", "vocoder/config.json", "vocoder/generator"})
    EXPECT_EQ(inspect_json({path}).at("network"), "HiFi-GAN generator") << path;
}

TEST_F(InspectReceptiveField, ReadsTheExampleOfALayerGraph) {
  const json result = inspect_json({kConfigs + "layer-graph.json"});
  EXPECT_EQ(result.at("input_unit"), "frame");
  EXPECT_EQ(result.at("axes").at(0).at("one_input").at("maximum"), 2098);
  EXPECT_EQ(result.at("axes").at(0).at("segment").at("inputs"), 32);
}

TEST_F(InspectReceptiveField, DrawsPictures) {
  for (const char* config : {"hifi-gan/config_v3.json", "cifar10.json", "layer-graph.json"}) {
    const ProgramResult png = inspect({kConfigs + config, "--picture", "field.png"});
    ASSERT_EQ(png.code, 0) << png.err;
    EXPECT_TRUE(contains(png.out, "\nfield.png\n"));
    const Image image = read_image(folder_ / "field.png");
    EXPECT_EQ(image.width, 1000);
    // The bar of the input at the bottom is wider than that of the output at the top.
    const auto blue = [&](int y) {
      int count = 0;
      for (int x = 200; x < 770; ++x) {
        const std::uint8_t* pixel = image.at(y, x);
        count += pixel[0] < 100 && pixel[2] > 120 ? 1 : 0;
      }
      return count;
    };
    EXPECT_GT(blue(image.height - 84), 400) << config;
    EXPECT_GT(blue(130), 0) << config;
    EXPECT_LT(blue(130), 40) << config;
  }
  ASSERT_EQ(inspect({kVersion1, "--picture", "field.svg", "--json"}).code, 0);
  const std::string svg = testing::content_of(folder_ / "field.svg");
  EXPECT_TRUE(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
  for (const char* text : {">conv_pre<", ">26 to 27 frames<", ">148 to 149 x 32 samples<"})
    EXPECT_TRUE(contains(svg, text)) << text;
}

TEST_F(InspectReceptiveField, PicturesEscapeNames) {
  folder_.write("names.json", R"({"layers": [{"name": "<b>&\u0007", "type": "point"}]})");
  ASSERT_EQ(inspect({"names.json", "--picture", "field.svg"}).code, 0);
  EXPECT_TRUE(contains(testing::content_of(folder_ / "field.svg"), ">&lt;b&gt;&amp;"));
}

TEST_F(InspectReceptiveField, RefusesConfigsThatContradictThemselves) {
  expect_refused(vocoder("upsample_kernel_sizes", {16, 16, 4}),
                 {"bad.json", "upsample_kernel_sizes"});
  expect_refused(vocoder("upsample_kernel_sizes", {16, 16, 4, 5}), {"upsample_kernel_sizes"});
  expect_refused(vocoder("resblock", "3"), {"resblock"});
  expect_refused(vocoder("resblock_kernel_sizes", {3, 7, 10}), {"resblock_kernel_sizes"});
  expect_refused(vocoder("resblock_dilation_sizes", json::array({json::array({1, 3, 5})})),
                 {"resblock_dilation_sizes"});
  expect_refused(R"({"layers": [{"name": "a", "type": "point", "input": "b"},
                                {"name": "b", "type": "point", "input": "a"}]})",
                 {"bad.json: layers[", "closes a cycle"});
  expect_refused(R"({"layers": [{"type": "conv"}]})", {"layers[0].kernel is missing"});
  expect_refused(R"({"model": {"base_widht": 3}})", {"bad.json:1", "model.base_width"});
  expect_refused(R"({"a": 1})", {"bad.json", "upsample_rates", "layers"});
  expect_refused("{", {"bad.json:1"});
  expect_refused("{\n\"layers\": [}", {"bad.json: not valid JSON", "line 2"});
  expect_refused("[1, 2]", {"bad.json"});
  expect_refused("", {"bad.json"});
}

TEST_F(InspectReceptiveField, RefusesWrongOptions) {
  const auto refused = [&](std::vector<std::string> arguments, const std::string& part) {
    const ProgramResult result = inspect(std::move(arguments));
    EXPECT_EQ(result.code, 2);
    EXPECT_TRUE(contains(result.err, part)) << result.err;
  };
  refused({"absent.json"}, "absent.json: no such file");
  refused({kVersion1, "--picture", "field.jpg"}, ".svg or .png");
  refused({kVersion1, "--segment", "0"}, "--segment");
  refused({kConfigs + "cifar10.json", "--segment", "33"}, "33");
  const ProgramResult alone = run({"inspect", "--naive"});
  EXPECT_EQ(alone.code, 2);
  EXPECT_TRUE(contains(alone.err, "need --receptive-field PATH")) << alone.err;
  refused({kVersion1, "--set", "model.base_width=8"}, "is no config of this program");
  refused({""}, "no such file");
  folder_.write("noise.bin", std::string("\1\2\3\0\0\0", 6));
  EXPECT_EQ(inspect({"noise.bin"}).code, 4);  // not a model
}

// A tenth of a second more than the program's version takes, as promised; here with room for a busy
// machine and unoptimised builds.
TEST_F(InspectReceptiveField, IsFast) {
  const auto seconds = [&](const std::vector<std::string>& arguments) {
    double best = 1e9;
    for (int i = 0; i < 3; ++i) {
      const auto start = std::chrono::steady_clock::now();
      EXPECT_EQ(run(arguments).code, 0);
      best = std::min(
          best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return best;
  };
  EXPECT_LT(seconds({"inspect", "--receptive-field", kVersion1}), seconds({"--version"}) + 1);
}

}  // namespace
}  // namespace ddpm
