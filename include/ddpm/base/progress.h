// Progress of a long task on standard error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ddpm/base/choice.h"
#include "ddpm/base/stopwatch.h"

namespace ddpm {

enum class ProgressStyle {
  kAuto,   // a bar on a terminal, else plain
  kBar,    // one line that is redrawn, on terminals only
  kPlain,  // a line every ten seconds, for logs
  kJson,   // a line with a JSON object every second, for programs
  kOff,
};
constexpr auto choice_names(ProgressStyle) {
  return name_list("auto", "bar", "plain", "json", "off");
}

class Progress {
 public:
  // `task` names the work ("training"), `unit` what is counted ("steps"). The first `start` units
  // were done by an earlier run.
  Progress(ProgressStyle style, std::string task, std::string unit, std::int64_t total,
           std::int64_t start = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Whether an update would be shown now. Most are not: they come too fast for people to read.
  bool due(double done) const;

  // Shows that `done` of `total` units are done; `done` may be a fraction. `note` is a short text, or empty,
  // such as "loss 0.034, 1200 images/s".
  void update(double done, const std::string& note);

  // Removes the bar from the terminal so that other lines can be written; the next update draws it
  // again.
  void clear();

 private:
  std::optional<double> seconds_left(double done) const;  // nothing: not known yet
  std::string render(double done, const std::string& note) const;

  ProgressStyle style_;
  std::string task_, unit_;
  std::int64_t total_, start_;
  Stopwatch running_;
  std::optional<Stopwatch> shown_;  // since the last update
  bool bar_visible_ = false;
};

}  // namespace ddpm
