// Reads the inputs in tests/fuzz/corpus: seeds, and inputs that once crashed a reader.
#include <gtest/gtest.h>

#include <filesystem>

#include "fuzz/targets.h"
#include "support/files.h"
#include "support/webp.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;

class Corpus : public ::testing::TestWithParam<testing::FuzzTarget> {
 protected:
  fs::path folder() const {
    return fs::path(DDPM_SOURCE_DIR) / "tests/fuzz/corpus" / GetParam().name;
  }
  bool accepts(const std::string& input) const {
    return GetParam().accepts(testing::as_bytes(input));
  }
};

// Files called valid_... must be accepted; the others may be accepted or refused.
TEST_P(Corpus, IsReadOrRefused) {
  if (GetParam().name == "webp")
    if (const std::string reason = testing::why_no_webp(); !reason.empty()) GTEST_SKIP() << reason;
  int valid = 0;
  for (const auto& entry : fs::directory_iterator(folder())) {
    const bool accepted = accepts(testing::content_of(entry.path()));
    if (!entry.path().filename().string().starts_with("valid_")) continue;
    ++valid;
    EXPECT_TRUE(accepted) << entry.path();
  }
  EXPECT_GT(valid, 0);
}

// Tries cut files and single flipped bits: less than a fuzzer does, but any compiler can build it.
TEST_P(Corpus, SurvivesCutsAndFlips) {
  for (const auto& entry : fs::directory_iterator(folder())) {
    const std::string content = testing::content_of(entry.path());
    const std::size_t stride = 1 + content.size() / 200;
    for (std::size_t i = 0; i < content.size(); i += stride) {
      accepts(content.substr(0, i));
      std::string flipped = content;
      flipped[i] = static_cast<char>(flipped[i] ^ 1 << i / stride % 8);
      accepts(flipped);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Each, Corpus,
                         ::testing::ValuesIn(testing::fuzz_targets().begin(),
                                             testing::fuzz_targets().end()),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace ddpm
