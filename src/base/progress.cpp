#include "ddpm/base/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "ddpm/base/log.h"

namespace ddpm {
namespace {

double seconds_between_updates(ProgressStyle style) {
  switch (style) {
    case ProgressStyle::kBar:
      return 0.1;
    case ProgressStyle::kPlain:
      return 10.0;
    case ProgressStyle::kJson:
      return 1.0;
    case ProgressStyle::kAuto:
    case ProgressStyle::kOff:
      break;
  }
  return 1e9;
}

std::string bar(double fraction) {
  constexpr int kWidth = 24;
  const int filled = static_cast<int>(fraction * kWidth);
  return "[" + std::string(static_cast<std::size_t>(filled), '#') +
         std::string(static_cast<std::size_t>(kWidth - filled), '.') + "]";
}

void write_stderr(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

ProgressStyle resolve(ProgressStyle style) {
  if (style != ProgressStyle::kAuto) return style;
  return ::isatty(STDERR_FILENO) == 1 ? ProgressStyle::kBar : ProgressStyle::kPlain;
}

}  // namespace

Progress::Progress(ProgressStyle style, std::string task, std::string unit, std::int64_t total,
                   std::int64_t start)
    : style_(resolve(style)),
      task_(std::move(task)),
      unit_(std::move(unit)),
      total_(std::max<std::int64_t>(total, 1)),
      start_(start) {}

Progress::~Progress() { clear(); }

std::optional<double> Progress::seconds_left(double done) const {
  const auto start = static_cast<double>(start_), total = static_cast<double>(total_);
  if (done >= total) return 0.0;
  if (done <= start) return std::nullopt;
  return running_.seconds() * (total - done) / (done - start);
}

std::string Progress::render(double done, const std::string& note) const {
  const double fraction = std::clamp(done / static_cast<double>(total_), 0.0, 1.0);
  const auto whole = static_cast<std::int64_t>(done);
  const std::optional<double> left = seconds_left(done);
  if (style_ == ProgressStyle::kJson)
    return format_text(
        R"({{"task":"{}","done":{},"total":{},"unit":"{}","seconds_left":{},"note":"{}"}})", task_,
        whole, total_, unit_, left ? format_text("{:.1f}", *left) : "null", note);
  const std::string gauge = style_ == ProgressStyle::kBar ? " " + bar(fraction) : "";
  return format_text("{}{} {}/{} {} ({:.0f} %){}{}{}", task_, gauge, whole, total_, unit_,
                     100 * fraction, note.empty() ? "" : ", ", note,
                     left ? ", " + format_duration(*left) + " left" : "");
}

bool Progress::due(double done) const {
  if (style_ == ProgressStyle::kOff) return false;
  return !shown_ || shown_->seconds() >= seconds_between_updates(style_) ||
         done >= static_cast<double>(total_);
}

void Progress::update(double done, const std::string& note) {
  if (!due(done)) return;
  shown_ = Stopwatch();
  if (style_ == ProgressStyle::kBar) {
    write_stderr("\r" + render(done, note) + "\x1b[K");
    bar_visible_ = true;
  } else {
    write_stderr(render(done, note) + "\n");
  }
}

void Progress::clear() {
  if (bar_visible_) write_stderr("\r\x1b[K");
  bar_visible_ = false;
}

}  // namespace ddpm
