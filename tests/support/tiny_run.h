// A folder with a config of a network that trains in milliseconds, for tests that drive the
// program.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

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
  ProgramResult train(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"train", "--config", "tiny.json", "--set", "run.name=a"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
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
  bool trained() const { return std::filesystem::exists(folder_ / "runs"); }

  TemporaryFolder folder_;
};

}  // namespace ddpm::testing
