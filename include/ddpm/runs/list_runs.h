// What the runs in a folder are, for an overview of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ddpm {

// A run as far as its files tell.
struct RunSummary {
  std::filesystem::path path;
  std::optional<std::int64_t> step = {};   // the last step that was logged or saved
  std::optional<std::int64_t> steps = {};  // of the whole run
  std::optional<double> loss = {};         // in the last line of metrics.jsonl that has one
  std::optional<std::chrono::system_clock::time_point> saved = {};  // the newest checkpoint
  std::uint64_t disk_bytes = 0;  // of all its files that can be seen
  std::string problem = {};      // what is damaged or cannot be read; empty: nothing was found
};

// The runs in `folder`, or `folder` itself if it is a run: folders with a config.json and
// checkpoints or metrics. Sorted by `saved`, the newest last; runs without a checkpoint come first.
// Checkpoints are compared with their manifests by size only. Throws IoError only if `folder`
// cannot be listed, and nothing for a damaged run.
std::vector<RunSummary> list_runs(const std::filesystem::path& folder);

}  // namespace ddpm
