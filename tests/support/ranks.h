// Runs of several processes on the CPUs of this machine.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "support/tiny_run.h"

namespace ddpm::testing {

class Ranks : public TinyRun {
 protected:
  // Trains run `name` in `ranks` processes, all of whose settings but the number of micro-batches agree.
  ProgramResult train(const std::string& name, int ranks, std::vector<std::string> settings,
                      std::vector<std::string> options = {}) const {
    settings.push_back("run.name=" + name);
    if (ranks > 1) {
      options.emplace_back("--ranks");
      options.push_back(std::to_string(ranks));
    } else {
      options.insert(options.end(), {"--device", "cpu"});  // as --ranks does
    }
    return run(training(settings, options));
  }
  std::filesystem::path checkpoint_of(const std::string& name, int step) const {
    return folder_ / format_text("runs/{}/checkpoints/step_{:08}", name, step);
  }
  void expect_same_bytes(const std::filesystem::path& a, const std::filesystem::path& b) const {
    for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors"}) {
      ASSERT_TRUE(std::filesystem::exists(a / file));
      EXPECT_TRUE(content_of(a / file) == content_of(b / file))
          << a << " and " << b << ": " << file;
    }
  }
  // The child of the program that is this rank, by its environment; 0 if there is none.
  static pid_t process_of_rank(const Program& program, int rank) {
    const std::string variable = std::string(1, '\0') + format_text("RANK={}", rank) + '\0';
    for (const pid_t process : program.children())
      if (contains('\0' + content_of(format_text("/proc/{}/environ", process)), variable))
        return process;
    return 0;
  }
  // A run of several processes that would never end.
  std::vector<std::string> endless(int ranks, std::vector<std::string> settings = {}) const {
    settings.emplace_back("training.steps=1000000");
    settings.emplace_back("training.batch_size=12");
    return training(settings, {"--ranks", std::to_string(ranks)});
  }
  bool steps_were_made() const {
    std::error_code missing;
    return std::filesystem::file_size(folder_ / "runs/a/metrics.jsonl", missing) > 0 && !missing;
  }
};

}  // namespace ddpm::testing
