#include "ddpm/config/describe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <regex>

#include "ddpm/config/fields.h"
#include "support/files.h"

namespace ddpm {
namespace {

using nlohmann::json;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

ResolvedConfig resolve(const std::vector<ConfigOverride>& overrides) {
  return load_config(std::nullopt, overrides);
}

TEST(ToJson, WritesSectionsInTheOrderOfTheTable) {
  const std::string text = to_json(Config{});
  EXPECT_EQ(text.substr(0, 30), "{\n  \"run\": {\n    \"name\": \"run\"");
  EXPECT_TRUE(contains(text,
                       "  \"model\": {\n    \"base_width\": 128,\n"
                       "    \"width_multipliers\": [1, 2, 2, 2],\n"));
  EXPECT_TRUE(text.ends_with("    \"resize\": \"torch-fidelity\"\n  }\n}\n"));
  const json parsed = json::parse(text);
  EXPECT_EQ(parsed.size(), 7U);
  EXPECT_EQ(parsed["diffusion"]["beta_end"], 0.02);
}

TEST(ConfigShow, WritesOriginsAsCommentsThatTheLoaderTakesBack) {
  const ResolvedConfig resolved = resolve({{"run.seed", "3", "--seed"}});
  const std::string text = config_show(resolved, /*with_origins=*/true);
  EXPECT_TRUE(contains(text, "    \"seed\": 3,  // --seed\n"));
  EXPECT_TRUE(contains(text, "    \"weights\": \"ema\"  // default\n"));
  EXPECT_EQ(config_from_json_text(text, "shown").run.seed, 3);
  EXPECT_EQ(config_show(resolved, /*with_origins=*/false), to_json(resolved.config));
}

TEST(ConfigShow, SurvivesFileNamesThatWouldEndAComment) {
  const testing::TemporaryFolder folder;
  const std::filesystem::path file = folder.write("a\nb.json", R"({"run": {"seed": 3}})");
  const std::string text = config_show(load_config(file, {}), /*with_origins=*/true);
  EXPECT_EQ(config_from_json_text(text, "shown").run.seed, 3);
}

TEST(ConfigShow, GivesProgramsValueDefaultAndOrigin) {
  const json shown = json::parse(config_show_json(resolve({{"run.seed", "3", "--seed"}})));
  EXPECT_EQ(shown["run.seed"], (json{{"value", 3}, {"default", 0}, {"origin", "--seed"}}));
  EXPECT_EQ(shown["model.attention"]["value"], json::parse("[false, true, false, false]"));
  EXPECT_EQ(shown["model.attention"]["origin"], "default");
  EXPECT_EQ(shown.size(), fields().size());
}

TEST(ConfigKeys, HaveALineEach) {
  const std::string text = config_keys_text();
  EXPECT_EQ(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')), fields().size());
  EXPECT_TRUE(contains(text, "model.dropout"));
  EXPECT_TRUE(contains(text, "  number, default 0.1, [0, 1). Probability of zeroing an element"));
  EXPECT_TRUE(contains(text, "  string, default \"ema\", ema | raw. "));
}

TEST(SettingsTable, PointsOutWhatIsNotTheDefault) {
  Config config;
  config.training.batch_size = 64;
  const std::vector<std::string> lines = settings_table(config);
  EXPECT_EQ(lines.size(), fields().size());
  const auto has = [&](const std::string& line) {
    return std::find(lines.begin(), lines.end(), line) != lines.end();
  };
  EXPECT_TRUE(has("training.batch_size                64            (default 128)"));
  EXPECT_TRUE(has("training.micro_batches             1"));
  EXPECT_EQ(
      changed_settings(config),
      std::vector<std::string>{"training.batch_size                64            (default 128)"});
  EXPECT_TRUE(changed_settings({}).empty());
}

TEST(ConfigSchema, DescribesTypesDefaultsAndLimits) {
  const json schema = json::parse(config_schema());
  EXPECT_EQ(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(schema["additionalProperties"], false);
  const json& top = schema["properties"];
  EXPECT_TRUE(top.contains("extends"));
  EXPECT_EQ(top["training"]["additionalProperties"], false);
  const json& training = top["training"]["properties"];
  EXPECT_EQ(training["batch_size"]["type"], "integer");
  EXPECT_EQ(training["batch_size"]["minimum"], 1);
  EXPECT_EQ(training["batch_size"]["default"], 128);
  EXPECT_EQ(training["epsilon"]["exclusiveMinimum"], 0);
  const json& model = top["model"]["properties"];
  EXPECT_EQ(model["dropout"]["exclusiveMaximum"], 1);
  EXPECT_EQ(model["upsample"]["anyOf"][0]["enum"],
            json::parse(R"(["nearest", "transposed", "resnet"])"));
  EXPECT_EQ(model["upsample"]["anyOf"][1]["items"], model["upsample"]["anyOf"][0]);
  EXPECT_EQ(model["attention"], json::parse(R"({
    "type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 10,
    "description": "Which levels have self-attention, full resolution first; the middle has model.middle_attention",
    "default": [false, true, false, false]})"));
  EXPECT_EQ(top["data"]["properties"]["channels"]["enum"], json::parse("[0, 1, 3, 4]"));
  EXPECT_EQ(top["run"]["properties"]["device"]["pattern"], "^(auto|cpu|cuda(:[0-9]{1,3})?)$");
  EXPECT_FALSE(top["run"]["properties"]["seed"].contains("maximum"));
}

TEST(ConfigMarkdown, HasATableRowForEveryKey) {
  const std::string text = config_markdown();
  for (const Section& section : sections())
    EXPECT_TRUE(contains(text, "\n## " + section.name + "\n")) << section.name;
  EXPECT_TRUE(
      contains(text,
               "| `weights` | string | `\"ema\"` | `ema \\| raw` | ema: the averaged weights, "
               "if the run has them; raw: those of the last step |\n"));
  EXPECT_TRUE(contains(text,
                       "| `seed` | integer | `0` | `>= 0` | Seed of all random numbers "
                       "*(fixed)* |\n"));
  // Bars inside cells are escaped, so every row has five cells.
  const std::regex bar(R"((^|[^\\])\|)");
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| `")) continue;
    EXPECT_EQ(std::distance(std::sregex_iterator(line.begin(), line.end(), bar), {}), 6) << line;
  }
}

}  // namespace
}  // namespace ddpm
