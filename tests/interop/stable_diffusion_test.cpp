// Stable Diffusion's files: names and shapes of CompVis, what tensors tell, settings of both worlds.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <list>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/config/loader.h"
#include "ddpm/config/validate.h"
#include "ddpm/formats/sha256.h"
#include "ddpm/interop/compvis.h"
#include "ddpm/interop/diffusers.h"
#include "ddpm/interop/infer.h"
#include "ddpm/interop/names.h"
#include "ddpm/interop/requirements.h"
#include "support/files.h"
#include "support/stable_diffusion.h"

namespace ddpm {
namespace {

using nlohmann::json;
using testing::contains;
using testing::message_of;
using Shape = std::vector<std::int64_t>;

// The tensors of a network with the names of CompVis and without values, written down from
// openaimodel.py. It knows nothing of plans.
class CompVisNetwork {
 public:
  struct Arguments {
    std::int64_t width, time;
    std::vector<std::int64_t> multipliers;
    std::vector<bool> attention;
    std::int64_t blocks, depth, context, vector, in;
    bool linear;
  };

  explicit CompVisNetwork(const Arguments& a) : a_(a) {
    layer("time_embed.0", {a.time, a.width});
    layer("time_embed.2", {a.time, a.time});
    if (a.vector > 0) {
      layer("label_emb.0.0", {a.time, a.vector});
      layer("label_emb.0.2", {a.time, a.time});
    }
    layer("input_blocks.0.0", {a.width, a.in, 3, 3});
    std::vector<std::int64_t> skips = {a.width};
    std::int64_t c = a.width, n = 1;
    for (std::size_t level = 0; level < a.multipliers.size(); ++level) {
      for (std::int64_t i = 0; i < a.blocks; ++i, ++n) {
        const std::int64_t out = a.width * a.multipliers[level];
        res("input_blocks." + std::to_string(n) + ".0", c, out);
        if (a.attention[level]) transformer("input_blocks." + std::to_string(n) + ".1", out);
        skips.push_back(c = out);
      }
      if (level + 1 == a.multipliers.size()) continue;
      layer("input_blocks." + std::to_string(n++) + ".0.op", {c, c, 3, 3});
      skips.push_back(c);
    }
    res("middle_block.0", c, c);
    transformer("middle_block.1", c);
    res("middle_block.2", c, c);
    n = 0;
    for (std::size_t level = a.multipliers.size(); level-- > 0;)
      for (std::int64_t i = 0; i <= a.blocks; ++i, ++n) {
        const std::string name = "output_blocks." + std::to_string(n);
        const std::int64_t out = a.width * a.multipliers[level];
        res(name + ".0", c + skips.back(), out);
        skips.pop_back();
        c = out;
        if (a.attention[level]) transformer(name + ".1", c);
        if (level > 0 && i == a.blocks)
          layer(name + (a.attention[level] ? ".2" : ".1") + ".conv", {c, c, 3, 3});
      }
    layer("out.0", {c});
    layer("out.2", {4, c, 3, 3});
  }

  void add(const std::string& name, const Shape& shape) {
    set.tensors.push_back({name, DType::kF32, shape, {}});
  }
  // Gives a tensor these values.
  void fill(const std::string& name, const std::vector<float>& values) {
    values_.push_back(values);
    for (TensorView& view : set.tensors)
      if (view.name == name) view.bytes = std::as_bytes(std::span(values_.back()));
  }

  TensorSet set{.path = "model.safetensors"};

 private:
  void layer(const std::string& name, const Shape& shape) {
    add(name + ".weight", shape);
    add(name + ".bias", {shape[0]});
  }
  void res(const std::string& name, std::int64_t in, std::int64_t out) {
    layer(name + ".in_layers.0", {in});
    layer(name + ".in_layers.2", {out, in, 3, 3});
    layer(name + ".emb_layers.1", {out, a_.time});
    layer(name + ".out_layers.0", {out});
    layer(name + ".out_layers.3", {out, out, 3, 3});
    if (in != out) layer(name + ".skip_connection", {out, in, 1, 1});
  }
  void transformer(const std::string& name, std::int64_t c) {
    const Shape projection = a_.linear ? Shape{c, c} : Shape{c, c, 1, 1};
    layer(name + ".norm", {c});
    layer(name + ".proj_in", projection);
    for (std::int64_t i = 0; i < a_.depth; ++i) {
      const std::string block = name + ".transformer_blocks." + std::to_string(i);
      for (const auto& [part, source] : {std::pair{".attn1", c}, {".attn2", a_.context}}) {
        add(block + part + ".to_q.weight", {c, c});
        add(block + part + ".to_k.weight", {c, source});
        add(block + part + ".to_v.weight", {c, source});
        layer(block + part + ".to_out.0", {c, c});
      }
      layer(block + ".ff.net.0.proj", {8 * c, c});
      layer(block + ".ff.net.2", {c, 4 * c});
      for (const char* norm : {".norm1", ".norm2", ".norm3"}) layer(block + norm, {c});
    }
    layer(name + ".proj_out", projection);
  }

  Arguments a_;
  std::list<std::vector<float>> values_;
};

CompVisNetwork::Arguments v1() {
  return {.width = 320,
          .time = 1280,
          .multipliers = {1, 2, 4, 4},
          .attention = {true, true, true, false},
          .blocks = 2,
          .depth = 1,
          .context = 768,
          .vector = 0,
          .in = 4,
          .linear = false};
}

CompVisNetwork::Arguments v2() {
  CompVisNetwork::Arguments a = v1();
  a.context = 1024;
  a.linear = true;
  return a;
}

std::string hash_of(const TensorSet& set) {
  std::vector<std::string> lines;
  for (const TensorView& view : set.tensors) {
    std::string line = view.name + " [";
    for (std::size_t i = 0; i < view.shape.size(); ++i)
      line += (i > 0 ? "," : "") + std::to_string(view.shape[i]);
    lines.push_back(line + "]\n");
  }
  std::ranges::sort(lines);
  Sha256 hash;
  for (const std::string& line : lines) hash.update(line);
  return hash.hex_digest();
}

// tests/golden/compvis_names.py computed the hashes from the original class. The names of this
// program become those names.
TEST(StableDiffusion, HasTheNamesAndShapesOfCompVis) {
  for (const auto& [arguments, model, hash] :
       {std::tuple{v1(), testing::sd1(),
                   "965d1cba6882fbdd0b797afb9768fad91d7509807889096e343e2c2a5df1cbd4"},
        {v2(), testing::sd2(),
         "b19125ba791b338422d58a538434b0264241c27948e8a82624d821e95e7d596d"}}) {
    const CompVisNetwork file(arguments);
    EXPECT_EQ(file.set.tensors.size(), 686u);
    EXPECT_EQ(hash_of(file.set), hash);
    const Layout layout{.scheme = NamingScheme::kOpenai};
    EXPECT_NO_THROW(check_layout(model, layout));
    const TensorSet own = from_layout(file.set, layout, model);
    EXPECT_NE(own.find("up_blocks.3.attentions.2.transformer_blocks.0.attn2.to_k.weight"), nullptr);
    EXPECT_NE(own.find("down_blocks.2.attentions.1.proj_in.weight"), nullptr);
    EXPECT_EQ(hash_of(to_layout(own, layout, model)), hash);
  }
}

// --- What the tensors tell -----------------------------------------------------------------------

TEST(StableDiffusion, IsRecognisedByItsTensors) {
  const auto expect = [](const CompVisNetwork::Arguments& a, const ModelConfig& wanted,
                         const std::string& kind) {
    const InferredModel found = infer_model(CompVisNetwork(a).set);
    ModelConfig model = wanted;
    model.initialization = Initialization::kOpenai;
    Config expected = found.config;
    expected.model = model;
    EXPECT_EQ(to_json(found.config), to_json(expected)) << kind;
    EXPECT_EQ(found.config.data.channels, 4);
    EXPECT_EQ(found.config.diffusion.schedule, BetaSchedule::kQuadratic);
    EXPECT_FALSE(found.config.diffusion.clip_x0);
    EXPECT_EQ(describe_stable_diffusion(found.config.model, 4), kind);
  };
  expect(v1(), testing::sd1(), "Stable Diffusion 1");
  expect(v2(), testing::sd2(), "Stable Diffusion 2");
  ModelConfig model = testing::sd1();
  for (const auto& [in, name] : {std::pair{9, "Stable Diffusion 1, inpainting"},
                                 {8, "Stable Diffusion 1, InstructPix2Pix"}}) {
    CompVisNetwork::Arguments a = v1();
    a.in = model.in_channels = in;
    expect(a, model, name);
  }
  CompVisNetwork::Arguments depth = v2();
  depth.in = 5;
  model = testing::sd2();
  model.in_channels = 5;
  expect(depth, model, "Stable Diffusion 2, depth");
}

TEST(StableDiffusion, SmallNetworksAndXlAreReadFromTheirShapes) {
  CompVisNetwork::Arguments a{.width = 64,
                              .time = 256,
                              .multipliers = {1, 2},
                              .attention = {false, true},
                              .blocks = 1,
                              .depth = 3,
                              .context = 24,
                              .vector = 600,
                              .in = 4,
                              .linear = true};
  const ModelConfig model = infer_model(CompVisNetwork(a).set).config.model;
  EXPECT_EQ(model.base_width, 64);
  EXPECT_EQ(model.transformer_depth, PerLevel<std::int64_t>(3));
  EXPECT_EQ(model.middle_depth, 0);
  EXPECT_EQ(model.context_width, 24);
  EXPECT_EQ(model.vector_width, 600);
  EXPECT_EQ(model.vector_time_width, 256);
  EXPECT_EQ(model.attention_head_width, 64);
  EXPECT_TRUE(model.linear_projections);
}

TEST(StableDiffusion, ControlNetsAreNamed) {
  CompVisNetwork network(v1());
  network.add("input_hint_block.0.weight", {16, 3, 3, 3});
  EXPECT_TRUE(contains(message_of<CheckpointError>([&] { infer_model(network.set); }),
                       "model.safetensors: a ControlNet"));
}

// A bias that is 0.1 and -0.1 by turns has the deviation 0.1; one of 0.05 does not reach 0.09.
TEST(StableDiffusion, PredictionsAreReadFromMarks) {
  const std::string bias = "output_blocks.11.1.transformer_blocks.0.norm1.bias";
  const auto bias_of = [](float size) {
    std::vector<float> values(320, size);
    for (std::size_t i = 1; i < values.size(); i += 2) values[i] = -size;
    return values;
  };
  CompVisNetwork network(v2());
  Config config;
  config.model = testing::sd2();
  network.fill(bias, bias_of(0.05f));
  EXPECT_EQ(apply_prediction_marks({}, network.set, config), "");
  EXPECT_EQ(config.diffusion.prediction_type, Prediction::kNoise);
  network.fill(bias, bias_of(0.1f));
  EXPECT_NE(apply_prediction_marks({}, network.set, config), "");
  EXPECT_EQ(config.diffusion.prediction_type, Prediction::kVelocity);

  Config v1_config;
  v1_config.model = testing::sd1();
  CompVisNetwork first(v1());
  first.fill(bias, bias_of(0.1f));
  EXPECT_EQ(apply_prediction_marks({}, first.set, v1_config), "") << "version 1 predicts noise";

  Config xl;
  xl.model = testing::sdxl();
  TensorSet file;
  file.tensors = {{"v_pred", DType::kF32, {0}, {}}, {"ztsnr", DType::kF32, {0}, {}}};
  EXPECT_NE(apply_prediction_marks(file, {}, xl), "");
  EXPECT_EQ(xl.diffusion.prediction_type, Prediction::kVelocity);
  EXPECT_TRUE(xl.diffusion.zero_terminal_snr);
}

// 0x3000 is 0.125 in half precision, 0x3e00 the same in bfloat16.
TEST(StableDiffusion, MarksAreReadInHalfPrecision) {
  for (const auto& [dtype, high] : {std::pair{DType::kF16, 0x30}, {DType::kBF16, 0x3e}}) {
    std::vector<std::uint8_t> bytes;
    for (int i = 0; i < 320; ++i) {
      bytes.push_back(0);
      bytes.push_back(static_cast<std::uint8_t>(high | (i % 2 == 1 ? 0x80 : 0)));
    }
    CompVisNetwork network(v2());
    for (TensorView& view : network.set.tensors)
      if (view.name == "output_blocks.11.1.transformer_blocks.0.norm1.bias")
        view = {view.name, dtype, view.shape, std::as_bytes(std::span(bytes))};
    Config config;
    config.model = testing::sd2();
    EXPECT_NE(apply_prediction_marks({}, network.set, config), "");
  }
}

}  // namespace
}  // namespace ddpm
