#include "ddpm/base/log.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "ddpm/base/error.h"
#include "ddpm/base/log_files.h"
#include "ddpm/base/text.h"

namespace ddpm {

bool stderr_wants_color() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool refused = no_color != nullptr && *no_color != '\0';
  return !refused && ::isatty(STDERR_FILENO) == 1 &&
         !(term != nullptr && std::string_view(term) == "dumb");
}

void set_up_logging(const LogOptions& options) {
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>(
      stderr_wants_color() ? spdlog::color_mode::always : spdlog::color_mode::never);
  sink->set_pattern("%^%v%$");
  auto logger = std::make_shared<spdlog::logger>("ddpm", std::move(sink));
  // The sink limits what a terminal shows; a log file gets everything from "info" up.
  logger->set_level(options.verbose ? spdlog::level::debug : spdlog::level::info);
  logger->sinks().front()->set_level(options.quiet ? spdlog::level::warn : logger->level());
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  if (!options.file.empty()) add_log_file(options.file);
}

void add_log_file(const std::filesystem::path& path) {
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string());
    sink->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    spdlog::default_logger()->sinks().push_back(std::move(sink));
  } catch (const spdlog::spdlog_ex& error) {
    throw IoError("cannot open the log file '" + shown(path) + "': " + error.what());
  }
}

void log_message(LogLevel level, const std::string& message) {
  constexpr std::array kLevels = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                  spdlog::level::err};
  // The program's own messages can have several lines.
  spdlog::log(kLevels.at(static_cast<std::size_t>(level)), "{}",
              printable(message, /*keep_lines=*/true));
}

// The first sink is standard error, the others are files. A logger, unlike a sink, throws nothing.
void log_to_files(const std::string& message) {
  const auto& sinks = spdlog::default_logger_raw()->sinks();
  spdlog::logger files("ddpm", sinks.begin() + 1, sinks.end());
  files.flush_on(spdlog::level::info);
  files.info("{}", printable(message, /*keep_lines=*/true));
}

void log_warnings_of(const std::string& name) {
  auto& sinks = spdlog::default_logger_raw()->sinks();
  sinks.resize(1);
  const auto& console = sinks.front();
  console->set_pattern("%^" + name + "%v%$");
  console->set_level(spdlog::level::warn);
}

std::string with_thousands(long long value) {
  std::string digits = std::to_string(value);
  for (auto i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > (value < 0 ? 1 : 0); i -= 3)
    digits.insert(static_cast<std::size_t>(i), ",");
  return digits;
}

std::string format_bytes(double bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return format_text(unit == 0 ? "{:.0f} {}" : "{:.1f} {}", bytes, kUnits[unit]);
}

std::string format_duration(double seconds) {
  const auto total = static_cast<long long>(std::llround(std::max(seconds, 0.0)));
  if (total < 60) return format_text("{} s", total);
  if (total < 3600) return format_text("{} min {:02} s", total / 60, total % 60);
  return format_text("{} h {:02} min", total / 3600, total % 3600 / 60);
}

}  // namespace ddpm
