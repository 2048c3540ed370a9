#include "ddpm/distributed/local_launcher.h"

#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <optional>
#include <vector>

#include "ddpm/base/format.h"
#include "ddpm/base/host.h"
#include "ddpm/base/log.h"
#include "failure.h"

namespace ddpm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kGrace = std::chrono::seconds(30);  // for the others, after one has failed
constexpr const char* kName = "DDPM_LAUNCHER";
constexpr const char* kProcess = "DDPM_LAUNCHER_PROCESS";

std::vector<std::string> own_arguments() {
  std::ifstream file("/proc/self/cmdline");
  std::vector<std::string> arguments;
  for (std::string argument; std::getline(file, argument, '\0');) arguments.push_back(argument);
  return arguments;
}

// The variables of this process without those of a torchrun around it, and what torchrun would set.
Environment variables_for(const Launch& launch) {
  Environment variables = process_environment();
  std::erase_if(variables,
                [](const auto& entry) { return entry.first.starts_with("TORCHELASTIC_"); });
  variables["RANK"] = variables["LOCAL_RANK"] = std::to_string(launch.world.rank);
  variables["WORLD_SIZE"] = variables["LOCAL_WORLD_SIZE"] = std::to_string(launch.world.size);
  variables["MASTER_ADDR"] = launch.host;
  variables["MASTER_PORT"] = std::to_string(std::max<int>(launch.port, 1));
  variables["TORCHELASTIC_USE_AGENT_STORE"] = "True";
  variables[kName] = launch.launcher;
  variables[kProcess] = std::to_string(::getpid());
  return variables;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Blocks the signals that this process waits for, until it is destroyed.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigemptyset(&set_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD}) sigaddset(&set_, signal);
    sigprocmask(SIG_BLOCK, &set_, &before_);
  }
  ~BlockedSignals() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

  const sigset_t& before() const { return before_; }
  // The next one, or nothing if none comes within a second.
  std::optional<int> next() const {
    const timespec second{.tv_sec = 1, .tv_nsec = 0};
    const int signal = ::sigtimedwait(&set_, nullptr, &second);
    return signal > 0 ? std::optional(signal) : std::nullopt;
  }

 private:
  sigset_t set_, before_;
};

class LocalLauncher {
 public:
  LocalLauncher(std::int64_t count, const std::string& name) {
    launch_.launcher = name;
    launch_.host = "127.0.0.1";
    launch_.world.size = count;
    launch_.job = find_launch(variables_for(launch_)).job;
    silence_c10d();
    hosted_ = host_store(launch_.host, launch_.port, std::chrono::seconds(60));
    store_ = keys_of(launch_, hosted_);
    for (std::int64_t rank = 0; rank < count; ++rank) start(rank);
  }

  ExitCode wait() {
    while (running() > 0) {
      const std::optional<int> signal = signals_.next();
      if (signal && *signal != SIGCHLD) pass_on(*signal);
      collect();
      if (failed_ && Clock::now() - *failed_ > kGrace) pass_on(SIGKILL);
    }
    return result_;
  }

 private:
  std::ptrdiff_t running() const {
    return std::ranges::count_if(processes_, [](pid_t process) { return process > 0; });
  }

  void start(std::int64_t rank) {
    std::vector<std::string> arguments = own_arguments();
    launch_.world.rank = rank;
    std::vector<std::string> variables;
    for (const auto& [variable, value] : variables_for(launch_))
      variables.push_back(variable + "=" + value);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    // A group of its own, so that the terminal's Ctrl-C reaches it once: from here.
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &signals_.before());
    pid_t process = 0;
    const int error = ::posix_spawn(&process, "/proc/self/exe", nullptr, &attributes,
                                    pointers_to(arguments).data(), pointers_to(variables).data());
    posix_spawnattr_destroy(&attributes);
    if (error != 0) {
      pass_on(SIGKILL);
      throw Error(ExitCode::kFailure, format_text("process {} of {} cannot be started: {}", rank,
                                                  launch_.world.size, std::strerror(error)));
    }
    processes_.push_back(process);
  }

  void pass_on(int signal) {
    passed_on_ = signal;
    for (const pid_t process : processes_)
      if (process > 0) ::kill(process, signal);
  }

  // Takes note of the processes that have ended.
  void collect() {
    int status = 0;
    for (pid_t process = 0; (process = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      const auto found = std::ranges::find(processes_, process);
      if (found == processes_.end()) continue;
      *found = 0;
      if (status != 0) note_failure(found - processes_.begin(), process, status);
    }
  }

  void note_failure(std::int64_t rank, pid_t process, int status) {
    const bool killed = WIFSIGNALED(status);
    if (result_ == ExitCode::kSuccess) {
      result_ = static_cast<ExitCode>(killed ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
      if (killed && WTERMSIG(status) != passed_on_) result_ = ExitCode::kFailure;
    }
    if (!failed_) failed_ = Clock::now();
    if (store_->check({format_text("collect/exit code/{}", rank)})) return;  // it said so before
    const std::string how = killed ? format_text("was killed by signal {} ({})", WTERMSIG(status),
                                                 ::strsignal(WTERMSIG(status)))
                                   : format_text("ended with exit code {}", WEXITSTATUS(status));
    const Failure failure{
        .who = format_text("rank {} on {} (process {})", rank, host_name(), process), .text = how};
    const Failure recorded = record_failure(*store_, failure);
    if (recorded.who == failure.who && recorded.text == failure.text) tell_once(*store_, recorded);
  }

  Launch launch_;
  BlockedSignals signals_;  // before threads of the store start, which would get signals else
  Store hosted_, store_;
  std::vector<pid_t> processes_;  // by rank; 0: it has ended
  std::optional<Clock::time_point> failed_;
  int passed_on_ = 0;
  ExitCode result_ = ExitCode::kSuccess;
};

}  // namespace

ExitCode launch_processes(std::int64_t count, const std::string& name) {
  return LocalLauncher(count, name).wait();
}

void end_with_launcher(const Launch& launch) {
  const Environment variables = process_environment();
  const auto parent = variables.find(kProcess);
  const bool by_option = parent != variables.end();
  if (!by_option && launch.launcher != "torchrun") return;
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (by_option && parent->second != std::to_string(::getppid()))
    ::raise(SIGTERM);  // it has ended already
}

}  // namespace ddpm
