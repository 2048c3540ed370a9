#include "monitor.h"

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/signals.h"
#include "ddpm/base/text.h"

namespace ddpm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kBeat = seconds(1);
constexpr auto kSuspicion = seconds(5);  // silence that is enough once a connection broke
constexpr auto kFirstDeparture = milliseconds(500);  // so that launchers see who failed first

constexpr unsigned kLastSeconds = 10;

std::string beat_key(std::int64_t rank) { return format_text("beat/{}", rank); }

// Waits for `time`. Returns whether the thread has to stop.
bool pause(const std::stop_token& stop, milliseconds time) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any().wait_for(lock, stop, time, [] { return false; });
  return stop.stop_requested();
}

double seconds_of(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

Monitor::Monitor(Store store, const World& world, milliseconds silence)
    : store_(std::move(store)),
      world_(world),
      silence_(silence),
      name_(name_of_this_process(world)),
      beat_thread_([this](const std::stop_token& stop) { beat(stop); }),
      watch_thread_([this](const std::stop_token& stop) { watch_store(stop); }) {}

Monitor::~Monitor() {
  watch_thread_.request_stop();
  beat_thread_.request_stop();
}

void Monitor::report(std::int64_t step, bool working) noexcept {
  step_ = step;
  working_ = working;
}

void Monitor::beat(const std::stop_token& stop) {
  try {
    do {
      exchange_signs();
      answered_ = Clock::now();
    } while (!pause(stop, kBeat));
    store_->set(beat_key(world_.rank), std::string("done"));
  } catch (const std::exception& error) {
    if (stop.stop_requested()) return;
    end({.who = name_,
         .text =
             format_text("the process at which all meet ({}) has ended: {}",
                         world_.leads() ? "that of the launcher" : "that of rank 0 or the launcher",
                         reason_of(error))});
  }
}

void Monitor::exchange_signs() {
  store_->set(
      beat_key(world_.rank),
      nlohmann::json{
          {"beat", ++beats_}, {"who", name_}, {"step", step_.load()}, {"working", working_.load()}}
          .dump());
  if (const std::optional<Failure> failure = recorded_failure(*store_)) end(*failure);
  pass_on_stop_requests();
  watch_next();
  if (world_.leads() && step_limit_ > 0) watch_steps();
}

// A signal that one process gets is meant for all, also while they do not compute together.
void Monitor::pass_on_stop_requests() {
  if (asked_to_stop_) return;
  if (stop_requested()) {
    asked_to_stop_ = true;
    store_->set("stop", std::to_string(static_cast<int>(stop_exit_code())));
  } else if (const std::string code = text_of(*store_, "stop"); !code.empty()) {
    asked_to_stop_ = true;
    request_stop(static_cast<ExitCode>(std::stoi(code)));
  }
}

void Monitor::watch_next() {
  const std::int64_t next = (world_.rank + 1) % world_.size;
  const std::string beat = text_of(*store_, beat_key(next));
  if (beat != next_.beat || beat == "done") {
    next_ = {.beat = beat};
    return;
  }
  const auto silent = Clock::now() - next_.since;
  if (silent < (suspects_ ? std::min<milliseconds>(kSuspicion, silence_) : silence_)) return;
  Failure failure{.who = format_text("rank {}", next), .text = "did not begin to work"};
  if (!beat.empty()) {
    const nlohmann::json last = nlohmann::json::parse(beat);
    failure.who = last.at("who");
    failure.text = format_text("has given no sign of life for {:.0f} s, since step {}",
                               seconds_of(silent), last.at("step").get<std::int64_t>());
  }
  end(record_failure(*store_, failure));
}

// Rank 0 reads what all others write anyway.
void Monitor::watch_steps() {
  std::vector<std::string> keys;
  for (std::int64_t rank = 0; rank < world_.size; ++rank) keys.push_back(beat_key(rank));
  if (!store_->check(keys)) return;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  std::string slowest;
  for (const std::vector<std::uint8_t>& bytes : store_->multiGet(keys)) {
    const nlohmann::json last = nlohmann::json::parse(bytes, nullptr, /*allow_exceptions=*/false);
    if (last.is_discarded() || !last.at("working").get<bool>()) {  // it is done, saves or draws
      steps_ = {};
      return;
    }
    const auto step = last.at("step").get<std::int64_t>();
    if (step > least) continue;
    if (step < least) slowest.clear();
    least = step;
    slowest += (slowest.empty() ? "" : ", ") + last.at("who").get<std::string>();
  }
  if (steps_.beat != std::to_string(least)) steps_ = {.beat = std::to_string(least)};
  const auto stuck = Clock::now() - steps_.since;
  if (stuck < milliseconds(step_limit_)) return;
  end(record_failure(*store_,
                     {.who = shorten(slowest, 1000),
                      .text = format_text("has made no step for {:.0f} s (training.hang_minutes), "
                                          "since step {}",
                                          seconds_of(stuck), least)}));
}

void Monitor::watch_store(const std::stop_token& stop) const {
  while (!pause(stop, kBeat))
    if (const auto silent = Clock::now() - answered_.load(); silent > silence_) {
      ::alarm(kLastSeconds);
      log_error(
          "error: {}: the process at which all meet has not answered for {:.0f} s: its host is gone, or this "
          "one is cut off",
          name_, seconds_of(silent));
      leave({.who = name_, .text = "was cut off from the others"});
    }
}

void Monitor::end(const Failure& failure) {
  answered_ = Clock::time_point::max();  // the other thread has nothing to add
  ::alarm(kLastSeconds);                 // ends the process if it cannot even write its message
  tell_once(*store_, failure);
  try {
    store_->add("left", 1);
  } catch (const std::exception&) {  // the store is gone
  }
  std::this_thread::sleep_for(kFirstDeparture);
  leave(failure);
}

}  // namespace ddpm
