// Lets every operation of a save fail once, in three ways. A good checkpoint must always remain.
#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/log.h"
#include "ddpm/runs/checkpoint_store.h"
#include "support/faulty_file_system.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::content_of;
using testing::Fault;
using testing::FaultyFileSystem;
using testing::TemporaryFolder;

fs::path save(CheckpointStore& store, std::int64_t step, const std::string& content) {
  const fs::path saved = store.save(step, [&](const fs::path& folder) {
    for (const char* name : {"model.safetensors", "optimizer.safetensors", "state.json"})
      write_file_atomically(folder / name, content + name);
  });
  store.prune({.newest = 1});
  return saved;
}

// The content that the newest checkpoint was saved with; "" if there is none.
std::string newest_content(const fs::path& checkpoints) {
  const auto newest = CheckpointStore(checkpoints).newest();
  if (!newest) return "";
  verify_checkpoint(*newest);
  std::string content = content_of(*newest / "state.json");
  content.resize(content.size() - std::string("state.json").size());
  return content;
}

std::vector<std::string> entries(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

struct Case {
  const char* name;
  Fault fault;
  bool can_exchange;
};

std::ostream& operator<<(std::ostream& out, const Case& test) { return out << test.name; }

class CheckpointFaults : public ::testing::TestWithParam<Case> {
 protected:
  // Saves "old" as step `old_step` (-1: not at all), then "new" as step 20 while the n-th operation
  // fails, for every n. Returns the number of operations.
  int try_every_fault(std::int64_t old_step) {
    for (int n = 1;; ++n) {
      const TemporaryFolder folder;
      const fs::path checkpoints = folder / "checkpoints";
      CheckpointStore store(checkpoints);
      if (old_step >= 0) save(store, old_step, "old");
      FaultyFileSystem faulty(GetParam().fault, n, GetParam().can_exchange);
      bool saved = false;
      {
        const ReplaceFileSystem replaced(faulty);
        try {
          save(store, 20, "new");
          saved = true;
        } catch (const Error&) {
        }
      }
      if (!faulty.failed()) return n - 1;
      if (GetParam().fault == Fault::kCrash) faulty.lose_unsynced();
      expect_sound(checkpoints, old_step, saved, n);
      if (HasFailure()) return n;
    }
  }

  void expect_sound(const fs::path& checkpoints, std::int64_t old_step, bool saved, int n) {
    const std::string content = newest_content(checkpoints);
    const bool is_old = content == (old_step >= 0 ? "old" : "");
    EXPECT_TRUE(content == "new" || (is_old && !saved)) << "operation " << n << ": " << content;
    // The next run must work as if nothing had happened.
    CheckpointStore restarted(checkpoints);
    save(restarted, 30, "next");
    EXPECT_EQ(newest_content(checkpoints), "next") << "operation " << n;
    EXPECT_EQ(entries(checkpoints), (std::vector<std::string>{"latest", "step_00000030"}))
        << "operation " << n;
  }
};

TEST_P(CheckpointFaults, TheFirstSave) { EXPECT_GT(try_every_fault(-1), 30); }

TEST_P(CheckpointFaults, ALaterSave) { EXPECT_GT(try_every_fault(10), 30); }

TEST_P(CheckpointFaults, ASaveOverTheSameStep) { EXPECT_GT(try_every_fault(20), 30); }

// The run resumed from an earlier checkpoint than the one that `latest` names.
TEST_P(CheckpointFaults, ASaveOfAnEarlierStep) { EXPECT_GT(try_every_fault(50), 30); }

INSTANTIATE_TEST_SUITE_P(Each, CheckpointFaults,
                         ::testing::Values(Case{"Error", Fault::kError, true},
                                           Case{"DiskFull", Fault::kDiskFull, true},
                                           Case{"Crash", Fault::kCrash, true},
                                           Case{"ErrorWithoutExchange", Fault::kError, false},
                                           Case{"CrashWithoutExchange", Fault::kCrash, false}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace ddpm
