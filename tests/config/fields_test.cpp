#include "ddpm/config/fields.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <map>
#include <set>
#include <string>

namespace ddpm {
namespace {

// Counts the members of an aggregate: the length of the longest list in braces that initialises it.
struct Anything {
  template <class T>
  operator T() const;  // NOLINT(google-explicit-constructor): must convert, is never called
};
template <class T, class... Members>
constexpr std::size_t member_count() {
  if constexpr (requires { T{Members{}..., Anything{}}; })
    return member_count<T, Members..., Anything>();
  else
    return sizeof...(Members);
}

TEST(Fields, CountMembersAsThisTestNeeds) {
  struct Three {
    int a = 1;
    std::string b = {};
    std::vector<bool> c = {};
  };
  EXPECT_EQ(member_count<Three>(), 3U);
}

// Together these two tests prove that the table has every member of the structs: there are as many
// fields as members, all are distinct, and each lies in the struct that its path names.
TEST(Fields, AreAsManyAsTheMembersOfTheStructs) {
  const std::map<std::string, std::size_t> expected = {
      {"run", member_count<RunConfig>()},
      {"model", member_count<ModelConfig>()},
      {"diffusion", member_count<DiffusionConfig>()},
      {"data", member_count<DataConfig>()},
      {"training", member_count<TrainingConfig>()},
      {"sampling", member_count<SamplingConfig>()},
      {"evaluation", member_count<EvaluationConfig>()}};
  std::map<std::string, std::size_t> found;
  for (const Field& field : fields()) ++found[field.section()];
  EXPECT_EQ(found, expected);
  EXPECT_EQ(sections().size(), member_count<Config>());
}

template <class T>
const void* address_of(const T* member) {
  return member;
}
const void* address_of(const ChoiceMember& member) { return member.address(); }

template <class T>
bool lies_in(const void* pointer, const T& object) {
  const auto* first = reinterpret_cast<const std::byte*>(&object);
  const auto* byte = static_cast<const std::byte*>(pointer);
  return first <= byte && byte < first + sizeof(T);
}

TEST(Fields, PointToDistinctMembersOfTheirSection) {
  Config config;
  std::set<const void*> pointers;
  for (const Field& field : fields()) {
    const void* pointer =
        std::visit([](const auto& member) { return address_of(member); }, field.member(config));
    EXPECT_TRUE(pointers.insert(pointer).second) << field.path;
    const std::map<std::string, bool> inside = {
        {"run", lies_in(pointer, config.run)},
        {"model", lies_in(pointer, config.model)},
        {"diffusion", lies_in(pointer, config.diffusion)},
        {"data", lies_in(pointer, config.data)},
        {"training", lies_in(pointer, config.training)},
        {"sampling", lies_in(pointer, config.sampling)},
        {"evaluation", lies_in(pointer, config.evaluation)}};
    EXPECT_TRUE(inside.at(field.section())) << field.path;
  }
}

TEST(Fields, HaveDefaultsThatTheyAllow) {
  for (const Field& field : fields())
    EXPECT_TRUE(allows(field, field.default_value())) << field.path;
}

TEST(Fields, HaveHelpOfOneSentenceWithoutAFullStop) {
  for (const Field& field : fields()) {
    EXPECT_GT(field.help.size(), 5U) << field.path;
    EXPECT_NE(field.help.back(), '.') << field.path;
    EXPECT_EQ(field.help.find('\n'), std::string::npos) << field.path;
  }
}

TEST(Fields, AreFoundByPath) {
  ASSERT_NE(find_field("training.batch_size"), nullptr);
  EXPECT_EQ(find_field("training.batch_size")->name(), "batch_size");
  EXPECT_EQ(find_field("training.batch_size")->section(), "training");
  EXPECT_EQ(find_field("training"), nullptr);
  EXPECT_EQ(find_field("batch_size"), nullptr);
  EXPECT_EQ(find_field(""), nullptr);
}

TEST(Fields, ReadAndWriteTheirMember) {
  Config config;
  const Field& batch_size = *find_field("training.batch_size");
  batch_size.set(config, std::int64_t{7});
  EXPECT_EQ(config.training.batch_size, 7);
  EXPECT_EQ(batch_size.value(config), FieldValue(std::int64_t{7}));
  EXPECT_EQ(batch_size.default_value(), FieldValue(std::int64_t{128}));
  EXPECT_THROW(batch_size.set(config, 7.0), std::bad_variant_access);

  const Field& crop = *find_field("data.crop");
  crop.set(config, std::string("random"));
  EXPECT_EQ(config.data.crop, Crop::kRandom);
  EXPECT_EQ(crop.value(config), FieldValue(std::string("random")));
  EXPECT_EQ(crop.type(), FieldType::kString);
  EXPECT_THROW(crop.set(config, std::string("left")), std::bad_optional_access);
  EXPECT_THROW(crop.set(config, std::int64_t{1}), std::bad_variant_access);
}

TEST(Fields, FreezeWhatDefinesTheResultAndNothingElse) {
  const auto is_frozen = [](const std::string& path) {
    return !find_field(path)->may_change_on_resume();
  };
  const std::set<std::string> free_data = {"data.path", "data.cache", "data.on_bad_image",
                                           "data.context"};
  for (const Field& field : fields()) {
    const std::string section = field.section();
    const bool expected = section == "model" || section == "diffusion" ||
                          field.path == "run.seed" ||
                          (section == "data" && !free_data.contains(field.path));
    EXPECT_EQ(is_frozen(field.path), expected) << field.path;
  }
}

struct Range {
  std::string path;
  FieldValue value;
  bool allowed;
};

TEST(Fields, KnowTheirRanges) {
  const std::int64_t zero = 0;
  const std::int64_t one = 1;
  const std::vector<Range> ranges = {
      {"training.batch_size", one, true},
      {"training.batch_size", zero, false},
      {"training.batch_size", 1.0, false},  // the field has another type
      {"model.dropout", 0.0, true},
      {"model.dropout", 1.0, false},
      {"model.norm_epsilon", 0.0, false},
      {"model.norm_epsilon", 1.0, true},
      {"diffusion.beta_start", 0.0, false},
      {"diffusion.beta_end", 1.0, false},
      {"data.channels", std::int64_t{3}, true},
      {"data.channels", std::int64_t{2}, false},
      {"model.activation", std::string("relu"), true},
      {"model.activation", std::string("ReLU"), false},
      {"model.upsample", PerLevel<std::string>("nearest"), true},
      {"model.upsample", PerLevel<std::string>("Nearest"), false},
      {"model.upsample", PerLevel<std::string>(std::vector<std::string>{"nearest", "resnet"}),
       true},
      {"model.upsample", PerLevel<std::string>(std::vector<std::string>{"nearest", ""}), false},
      {"model.upsample", std::string("nearest"), false},  // the field has another type
      {"model.blocks_per_level", PerLevel<std::int64_t>({2, 3}), true},
      {"model.blocks_per_level", PerLevel<std::int64_t>({2, 17}), false},
      {"run.device", std::string("cuda:3"), true},
      {"run.device", std::string("cuda:"), false},
      {"run.device", std::string("gpu"), false},
      {"run.name", std::string("a\nb"), false},
      {"run.name", std::string("\xFF"), false},  // not UTF-8
      {"run.name", std::string(5000, 'a'), false},
      {"model.width_multipliers", std::vector<std::int64_t>{1, 2}, true},
      {"model.width_multipliers", std::vector<std::int64_t>{1, 0}, false},
      {"model.width_multipliers", std::vector<std::int64_t>{}, false},
      {"model.width_multipliers", std::vector<std::int64_t>(11, 1), false},
      {"model.attention", std::vector<bool>{}, false},
      {"data.exclude", std::vector<std::string>{}, true},
      {"data.exclude", std::vector<std::string>{"*.tmp.png"}, true},
      {"data.exclude", std::vector<std::string>{"a\nb"}, false},
      {"data.background", std::string("#00fF7a"), true},
      {"data.background", std::string("#00ff7"), false},
      {"data.background", std::string("red"), false},
  };
  for (const Range& range : ranges)
    EXPECT_EQ(allows(*find_field(range.path), range.value), range.allowed)
        << range.path << " " << value_text(range.value);
}

TEST(Fields, RefuseNumbersThatAreNone) {
  const Field& rate = *find_field("training.learning_rate");
  EXPECT_FALSE(allows(rate, std::nan("")));
  EXPECT_FALSE(allows(*find_field("training.clip_norm"), HUGE_VAL));
}

TEST(Fields, SayWhatTheyAllow) {
  const auto allowed = [](const char* path) { return allowed_text(*find_field(path)); };
  EXPECT_EQ(allowed("run.seed"), "an integer >= 0");
  EXPECT_EQ(allowed("model.dropout"), "a number in [0, 1)");
  EXPECT_EQ(allowed("model.norm_epsilon"), "a number in (0, 1]");
  EXPECT_EQ(allowed("sampling.weights"), "one of ema, raw");
  EXPECT_EQ(allowed("data.channels"), "one of 0, 1, 3, 4");
  EXPECT_EQ(allowed("run.device"), "one of auto | cpu | cuda | cuda:N");
  EXPECT_EQ(allowed("run.deterministic"), "true or false");
  EXPECT_EQ(allowed("model.width_multipliers"), "a list of 1 to 10 integers in [1, 64]");
  EXPECT_EQ(range_text(*find_field("training.steps")), "[1, 1000000000000]");
  EXPECT_EQ(range_text(*find_field("run.name")), "");
}

TEST(Fields, WriteValuesAsJsonOnOneLine) {
  EXPECT_EQ(value_text(true), "true");
  EXPECT_EQ(value_text(std::int64_t{-3}), "-3");
  EXPECT_EQ(value_text(2e-4), "0.0002");
  EXPECT_EQ(value_text(1e-8), "1e-08");
  EXPECT_EQ(value_text(std::string("a\"b")), "\"a\\\"b\"");
  EXPECT_EQ(value_text(std::vector<std::int64_t>{1, 2}), "[1, 2]");
  EXPECT_EQ(value_text(std::vector<bool>{true, false}), "[true, false]");
  EXPECT_EQ(value_text(std::string("\xFF")), "\"\xEF\xBF\xBD\"");
}

}  // namespace
}  // namespace ddpm
