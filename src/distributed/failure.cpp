#include "failure.h"

#include <unistd.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>

#include <nlohmann/json.hpp>

#include "ddpm/base/format.h"
#include "ddpm/base/host.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"

namespace ddpm {
namespace {

constexpr const char* kFailed = "failed";

std::string to_text(const Failure& failure) {
  return nlohmann::json{{"who", failure.who},
                        {"text", valid_utf8(failure.text)},
                        {"code", static_cast<int>(failure.code)},
                        {"told", failure.told ? host_name() : ""}}
      .dump();
}

Failure from_text(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text);
  return {.who = json.at("who"),
          .text = json.at("text"),
          .code = static_cast<ExitCode>(json.at("code").get<int>()),
          .told = json.at("told") == host_name()};
}

// The reason as torchrun shows it when a process fails.
void write_error_file(const Failure& failure) {
  const char* path = std::getenv("TORCHELASTIC_ERROR_FILE");
  if (path == nullptr) return;
  std::ofstream(path) << nlohmann::json{
      {"message",
       {{"message", failure.who + ": " + failure.text},
        {"extraInfo", {{"timestamp", std::to_string(std::time(nullptr))}}}}}};
}

}  // namespace

Failure record_failure(c10d::Store& store, const Failure& failure) {
  return from_text(store.compareSet(std::string(kFailed), std::string(), to_text(failure)));
}

std::optional<Failure> recorded_failure(c10d::Store& store) {
  const std::string text = text_of(store, kFailed);
  if (text.empty()) return std::nullopt;
  return from_text(text);
}

void tell_once(c10d::Store& store, const Failure& failure) {
  bool first = true;
  try {
    first = !failure.told && store.add("told/" + host_name(), 1) == 1;
  } catch (const std::exception&) {  // the store is gone, so each tells it
  }
  if (first) log_error("error: {}: {}. All processes of the job end", failure.who, failure.text);
}

std::string name_of_this_process(const World& world) {
  return format_text("rank {} on {} (process {})", world.rank, host_name(), ::getpid());
}

Store keys_of(const Launch& launch, Store store) {
  return c10::make_intrusive<c10d::PrefixStore>("ddpm/" + launch.job, std::move(store));
}

void leave(const Failure& failure) {
  write_error_file(failure);
  std::fflush(nullptr);
  ::_exit(static_cast<int>(failure.code));
}

}  // namespace ddpm
