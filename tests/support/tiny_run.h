// A folder with a config of a network that trains in milliseconds, for tests that drive the
// program.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "ddpm/base/format.h"
#include "support/files.h"
#include "support/program.h"

namespace ddpm::testing {

class TinyRun : public ::testing::Test {
 protected:
  TinyRun() {
    folder_.write("tiny.json", R"({
  "run": {"threads": 1},
  "model": {"base_width": 8, "width_multipliers": [1, 2], "blocks_per_level": 1,
            "attention": [false, true], "groups": 4, "final_groups": 4},
  "diffusion": {"timesteps": 20},
  "data": {"source": "embedded", "cache": "off"},
  "training": {"steps": 2, "batch_size": 4, "warmup_steps": 1, "log_every": 1, "sample_every": 0,
               "checkpoint_every": 0}
})");
  }

  ProgramResult run(std::vector<std::string> arguments) const {
    return run_program(folder_.path(), std::move(arguments));
  }
  // Arguments that train run "a" with changes to the config ("training.steps=3"), followed by
  // `options`.
  static std::vector<std::string> training(const std::vector<std::string>& settings,
                                           const std::vector<std::string>& options = {}) {
    std::vector<std::string> arguments = {"train", "--config", "tiny.json", "--set", "run.name=a"};
    for (const std::string& setting : settings) {
      arguments.emplace_back("--set");
      arguments.push_back(setting);
    }
    arguments.insert(arguments.end(), options.begin(), options.end());
    return arguments;
  }
  ProgramResult train(const std::vector<std::string>& options = {}) const {
    return run(training({}, options));
  }
  // Trains on images of 8x8 pixels that `source` reads from `path`.
  ProgramResult train_on(const std::string& source, const std::string& path,
                         std::vector<std::string> more = {}) const {
    for (const std::string& setting :
         {"data.source=" + source, "data.path=" + path, std::string("data.height=8")}) {
      more.emplace_back("--set");
      more.push_back(setting);
    }
    return train(more);
  }
  std::filesystem::path checkpoints() const { return folder_ / "runs/a/checkpoints"; }
  std::filesystem::path checkpoint(int step) const {
    return checkpoints() / format_text("step_{:08}", step);
  }
  bool trained() const { return std::filesystem::exists(folder_ / "runs"); }

  TemporaryFolder folder_;
};

}  // namespace ddpm::testing
