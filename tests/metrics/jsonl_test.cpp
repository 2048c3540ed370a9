#include "ddpm/metrics/jsonl.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ddpm/base/error.h"
#include "support/files.h"

namespace ddpm {
namespace {

MetricRecord step(std::int64_t number, double loss) { return {{"step", number}, {"loss", loss}}; }

TEST(ToJsonLine, KeepsOrderAndKinds) {
  EXPECT_EQ(to_json_line({{"step", std::int64_t{3}},
                          {"loss", 0.1},
                          {"note", std::string("a \"b\"\n")},
                          {"x", 2.0}}),
            R"({"step":3,"loss":0.1,"note":"a \"b\"\n","x":2.0})");
}

TEST(ToJsonLine, WritesValidJsonForAnything) {
  EXPECT_EQ(to_json_line({{"a", std::numeric_limits<double>::quiet_NaN()},
                          {"b", std::numeric_limits<double>::infinity()},
                          {"c", std::string("\xff")}}),
            "{\"a\":null,\"b\":null,\"c\":\"\xef\xbf\xbd\"}");
}

TEST(Metrics, ReadBackWhatWasWritten) {
  const testing::TemporaryFolder folder;
  const MetricRecord record = {
      {"step", std::int64_t{1}}, {"loss", 0.12345678901234567}, {"phase", std::string("train")}};
  {
    MetricsWriter writer(folder / "m.jsonl");
    writer.append(record);
    writer.append(step(2, std::numeric_limits<double>::quiet_NaN()));
    writer.sync();
  }
  const auto records = read_metrics(folder / "m.jsonl");
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0], record);
  EXPECT_TRUE(std::isnan(metric_number(records[1], "loss")));
  EXPECT_EQ(metric_number(records[1], "step"), 2.0);
  EXPECT_TRUE(std::isnan(metric_number(records[0], "phase")));
  EXPECT_TRUE(std::isnan(metric_number(records[0], "missing")));
}

TEST(Metrics, TolerateATornLine) {
  const testing::TemporaryFolder folder;
  const auto path = folder.write("m.jsonl", "{\"step\":1}\n{\"step\":2,\"lo");
  EXPECT_EQ(read_metrics(path).size(), 1U);
  MetricsWriter(path).append(step(3, 0.5));
  const auto records = read_metrics(path);
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(metric_number(records[1], "step"), 3.0);
}

TEST(Metrics, AppendToAnExistingFile) {
  const testing::TemporaryFolder folder;
  const auto path = folder.write("m.jsonl", "{\"step\":1}\n");
  MetricsWriter(path).append(step(2, 0.5));
  EXPECT_EQ(testing::content_of(path), "{\"step\":1}\n{\"step\":2,\"loss\":0.5}\n");
}

TEST(TrimMetrics, DropsLaterStepsAndTornLines) {
  const testing::TemporaryFolder folder;
  const auto path = folder.write(
      "m.jsonl",
      "{\"start\":\"now\"}\n{\"step\": 1}\n{\"step\":20}\n{\"step\":21}\n{\"step\":3}\n{\"st");
  trim_metrics(path, 20);
  EXPECT_EQ(testing::content_of(path),
            "{\"start\":\"now\"}\n{\"step\": 1}\n{\"step\":20}\n{\"step\":3}\n");
  trim_metrics(folder / "missing.jsonl", 20);
  EXPECT_THROW(read_metrics(folder / "missing.jsonl"), IoError);
}

}  // namespace
}  // namespace ddpm
