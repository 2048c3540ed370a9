// The kept inputs of every fuzzed reader: seeds, and whatever once crashed one.
#include <gtest/gtest.h>

#include <filesystem>

#include "fuzz/targets.h"
#include "support/files.h"

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

// Files called valid_... are whole; the others may be anything.
TEST_P(Corpus, IsReadOrRefused) {
  int valid = 0;
  for (const auto& entry : fs::directory_iterator(folder())) {
    const bool accepted = accepts(testing::content_of(entry.path()));
    if (!entry.path().filename().string().starts_with("valid_")) continue;
    ++valid;
    EXPECT_TRUE(accepted) << entry.path();
  }
  EXPECT_GT(valid, 0);
}

// Not a search, but it needs nothing but the tests' compiler: cuts and single flipped bits.
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
