#include "ddpm/distributed/process_group.h"

#include <unistd.h>

#include <charconv>
#include <optional>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>

#include "communicators.h"
#include "ddpm/base/format.h"
#include "ddpm/base/host.h"
#include "ddpm/base/log.h"
#include "ddpm/base/signals.h"
#include "ddpm/base/text.h"
#include "failure.h"
#include "monitor.h"
#include "store.h"

namespace ddpm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kForEver = std::chrono::hours(24 * 365);  // the monitor ends what hangs
constexpr milliseconds kFarewell = seconds(5);  // after a failure, for the others to read the store

Store meet(const Launch& launch, const Patience& patience) {
  silence_c10d();
  const bool hosts = launch.world.leads() && !launch.store_is_hosted;
  std::uint16_t port = launch.port;
  return keys_of(launch, hosts ? host_store(launch.host, port, patience.rendezvous)
                               : join_store(launch.host, port, patience.rendezvous));
}

std::string key_of(const std::string& name, std::int64_t rank) {
  return format_text("{}/{}", name, rank);
}

// Two processes that were told the same rank: the second one finds the name of the first.
void take_place(c10d::Store& store, const World& world) {
  const std::string name = name_of_this_process(world);
  const std::string mine =
      nlohmann::json{{"who", name}, {"host", host_name()}, {"size", world.size}}.dump();
  const std::string first = store.compareSet(key_of("hello", world.rank), std::string(), mine);
  if (first != mine)
    throw Error(
        ExitCode::kFailure,
        format_text("{} was told the rank that {} has already: another run uses this address, or a "
                    "process was started twice",
                    name, nlohmann::json::parse(first).at("who").get<std::string>()));
}

// The ranks below `count` whose key is not there after the time.
std::vector<std::int64_t> wait_for(c10d::Store& store, std::int64_t count, milliseconds time) {
  const auto end = Clock::now() + time;
  std::vector<std::int64_t> missing;
  do {
    missing.clear();
    for (std::int64_t rank = 0; rank < count; ++rank)
      if (!store.check({key_of("hello", rank)})) missing.push_back(rank);
    if (missing.empty()) break;
    if (const std::optional<Failure> failure = recorded_failure(store))
      throw Error(failure->code, failure->text);
    if (stop_requested())
      throw Error(stop_exit_code(), "stopped while waiting for the other processes");
    std::this_thread::sleep_for(milliseconds(20));
  } while (Clock::now() < end);
  return missing;
}

void require_size_of_rank_0(c10d::Store& store, const World& world) {
  const nlohmann::json first = nlohmann::json::parse(store.get_to_str(key_of("hello", 0)));
  if (const auto size = first.at("size").get<std::int64_t>(); size != world.size)
    throw Error(ExitCode::kFailure,
                format_text("{} was told that there are {}, but {} that there are {}",
                            name_of_this_process(world), counted(world.size, "process"),
                            first.at("who").get<std::string>(), size));
}

// Two that were told different numbers would wait for different ranks, so that comes first.
void require_all(c10d::Store& store, const World& world, milliseconds time) {
  std::vector<std::int64_t> missing = wait_for(store, 1, time);
  if (missing.empty()) {
    require_size_of_rank_0(store, world);
    missing = wait_for(store, world.size, time);
  }
  if (missing.empty()) return;
  std::vector<std::string> names;
  for (const std::int64_t rank : missing) names.push_back(std::to_string(rank));
  throw Error(
      ExitCode::kFailure,
      format_text(
          "{} of {} did not come within {:.0f} s: rank {} is missing. Were all processes started, "
          "with the same address and number of processes?",
          counted(std::ssize(missing), "process"), world.size,
          std::chrono::duration<double>(time).count(), shorten(join(names), 200)));
}

bool is_first_of_host(c10d::Store& store, const World& world) {
  for (std::int64_t rank = 0; rank < world.rank; ++rank)
    if (nlohmann::json::parse(store.get_to_str(key_of("hello", rank))).at("host") == host_name())
      return false;
  return true;
}

}  // namespace

struct ProcessGroup::Body {
  Body(const Launch& of, const Patience& time)
      : launch(of), patience(time), store(meet(of, time)) {}

  bool hosts_store() const { return launch.world.leads() && !launch.store_is_hosted; }
  // Who hosts the store leaves last, so that the others can read what is there. All who came add 1 to the counter.
  void wait_for_others(const std::string& counter, milliseconds time) const {
    if (!hosts_store()) return;
    std::int64_t present = 0;
    for (std::int64_t rank = 0; rank < launch.world.size; ++rank)
      present += store->check({key_of("hello", rank)}) ? 1 : 0;
    const auto end = Clock::now() + time;
    while (store->add(counter, 0) < present && Clock::now() < end)
      std::this_thread::sleep_for(milliseconds(20));
  }

  Launch launch;
  Patience patience;
  Store store;
  bool is_first_of_host = true;
  std::unique_ptr<Monitor> monitor;
};

Patience patience_of(const Environment& variables) {
  Patience patience;
  const auto read = [&](const char* name, milliseconds& time) {
    const auto found = variables.find(name);
    if (found == variables.end() || found->second.empty()) return;
    const std::string& text = found->second;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > 86400)
      throw ConfigError(
          format_text("the variable {} is '{}', but must be a number of seconds from 1 to 86400",
                      name, shorten(text)));
    time = seconds(value);
  };
  read("DDPM_RENDEZVOUS_SECONDS", patience.rendezvous);
  read("DDPM_PEER_SECONDS", patience.silence);
  return patience;
}

ProcessGroup::ProcessGroup(const Launch& launch, const Patience& patience)
    : body_(std::make_unique<Body>(launch, patience)) {
  const World& world = launch.world;
  c10d::Store& store = *body_->store;
  take_place(store, world);
  try {
    // Rank 0 tells who is missing. The others give it the time for that.
    require_all(store, world, patience.rendezvous + (world.leads() ? seconds(0) : seconds(10)));
    body_->is_first_of_host = ddpm::is_first_of_host(store, world);
  } catch (const Error& error) {
    fail(error);
  } catch (const std::exception& error) {  // rank 0, who hosts the store, has gone
    if (launch.store_is_hosted || world.leads()) throw;
    throw Error(ExitCode::kFailure, "rank 0 has ended before all processes had come");
  }
  body_->monitor = std::make_unique<Monitor>(store.clone(), world, patience.silence);
}

ProcessGroup::~ProcessGroup() = default;

const World& ProcessGroup::world() const { return body_->launch.world; }
const Launch& ProcessGroup::launch() const { return body_->launch; }

std::string ProcessGroup::share(const std::string& name, const std::string& text) {
  const std::string key = "share/" + name;
  if (world().leads()) {
    body_->store->set(key, text);
    return text;
  }
  body_->store->wait({key}, kForEver);
  return body_->store->get_to_str(key);
}

std::vector<std::string> ProcessGroup::collect(const std::string& name, const std::string& own) {
  std::vector<std::string> keys;
  for (std::int64_t rank = 0; rank < world().size; ++rank)
    keys.push_back(key_of("collect/" + name, rank));
  c10d::Store& store = *body_->store;
  store.set(keys.at(static_cast<std::size_t>(world().rank)), own);
  store.wait(keys, kForEver);
  std::vector<std::string> texts;
  for (const std::vector<std::uint8_t>& bytes : store.multiGet(keys))
    texts.emplace_back(bytes.begin(), bytes.end());
  return texts;
}

void ProcessGroup::barrier(const std::string& name) {
  c10d::Store& store = *body_->store;
  const std::string all = "barrier/" + name + "/all";
  if (store.add("barrier/" + name, 1) == world().size) store.set(all, std::string("here"));
  store.wait({all}, kForEver);
}

void ProcessGroup::one_first_on_each_host(const std::string& name,
                                          const std::function<void()>& work) {
  const std::string gate = "gate/" + name + "/" + host_name();
  if (!body_->is_first_of_host) body_->store->wait({gate}, kForEver);
  work();
  if (body_->is_first_of_host) body_->store->set(gate, std::string("open"));
}

void ProcessGroup::require_equal(const std::string& what, const std::string& own) {
  const std::string first = share("equal/" + what, own);
  if (own == first) return;
  throw ConfigError(format_text("{} differs from rank 0: {} is '{}', but '{}' there",
                                name_of_this_process(world()), what, shorten(own), shorten(first)));
}

void ProcessGroup::report(std::int64_t step, bool working) noexcept {
  body_->monitor->report(step, working);
}

void ProcessGroup::limit_step_time(milliseconds limit) noexcept {
  body_->monitor->limit_step_time(limit);
}

std::unique_ptr<Communicator> ProcessGroup::communicator(torch::Device device, bool in_order) {
  return device.is_cuda() ? make_nccl(world(), body_->store, device, in_order)
                          : make_gloo(world(), body_->store, device);
}

ExitCode ProcessGroup::finish(ExitCode own) {
  const auto is_failure = [](const std::string& code) { return code != "0"; };
  std::string result = "0";
  for (const std::string& code : collect("exit code", std::to_string(static_cast<int>(own))))
    if (!is_failure(result)) result = code;
  body_->monitor.reset();
  try {
    body_->store->add("finished", 1);
    body_->wait_for_others("finished", body_->patience.silence);
  } catch (const std::exception&) {  // rank 0 did not wait longer; all is done anyway
  }
  return static_cast<ExitCode>(std::stoi(result));
}

void ProcessGroup::fail(const Error& error) {
  const std::string name = name_of_this_process(world());
  Failure failure{.who = name, .text = error.what(), .code = error.code(), .told = true};
  try {
    const Failure recorded = record_failure(*body_->store, failure);
    const bool is_own = recorded.who == name;
    if (is_own) log_error("error: {}", error.what());
    if (!is_own) tell_once(*body_->store, recorded);
    failure = recorded;
    body_->store->add("left", 1);
    body_->wait_for_others("left", kFarewell);
  } catch (const std::exception&) {  // the store is gone
    log_error("error: {}", error.what());
  }
  leave(failure);
}

void ProcessGroup::fail_with_others(const ConnectionLost& error) {
  if (body_->monitor) {
    body_->monitor->suspect();  // which finds out who it is and ends this process
    std::this_thread::sleep_for(body_->patience.silence + seconds(5));
  }
  fail(error);
}

}  // namespace ddpm
