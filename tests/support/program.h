// Runs the program as a user would.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ddpm/cli/app.h"
#include "support/files.h"

namespace ddpm::testing {

struct ProgramResult {
  int code = -1;        // exit code, or 128 + signal
  bool killed = false;  // whether a signal ended it
  std::string out;      // standard output
  std::string err;      // standard error
  long peak_kib = 0;    // peak resident memory
};

// Limits that the system sets for the program; 0: no limit.
struct Limits {
  rlim_t file_bytes = 0;      // ulimit -f
  rlim_t memory_bytes = 0;    // ulimit -v
  rlim_t data_bytes = 0;      // ulimit -d: what the program allocates, without mapped files
  const char* out = nullptr;  // file for standard output instead of .stdout
  bool closed = false;        // standard output and standard error are closed
  bool nobody = false;        // if root runs the tests, run as another user
  std::vector<std::string> variables = {};  // of its environment: "NAME=value"
  const char* err = ".stderr";              // file for standard error
  bool executable = false;                  // start the executable, see Program
};

inline constexpr uid_t kNobody = 65534;

// A program that was started in `folder`. Its output goes to files there.
//
// It is a copy of the test's own process, which has loaded LibTorch already: to load it again takes longer than
// most commands that are tested. `Limits::executable` starts build/.../ddpm instead, and so do --ranks and
// --gpus, whose processes are started by the name of the executable.
class Program {
 public:
  Program(const std::filesystem::path& folder, std::vector<std::string> arguments,
          const Limits& limits = {})
      : folder_(folder), out_(limits.out != nullptr ? limits.out : ".stdout"), err_(limits.err) {
    arguments.insert(arguments.begin(), DDPM_BINARY);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    std::fflush(nullptr);  // what is in buffers would be written twice
    pid_ = ::fork();
    if (pid_ != 0) return;
    const auto redirect = [&](const std::filesystem::path& name, int target) {
      const int file = ::open((folder_ / name).c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
      ::dup2(file, target);
    };
    redirect(out_, STDOUT_FILENO);
    redirect(err_, STDERR_FILENO);
    for (std::string variable : limits.variables) ::putenv(::strdup(variable.c_str()));
    for (const int stream : {STDOUT_FILENO, STDERR_FILENO})
      if (limits.closed) ::close(stream);
    for (const int signal : {SIGHUP, SIGINT})
      ::signal(signal, SIG_DFL);  // nohup may have started the tests
    limit(RLIMIT_FSIZE, limits.file_bytes);
    limit(RLIMIT_AS, limits.memory_bytes);
    limit(RLIMIT_DATA, limits.data_bytes);
    if (::chdir(folder_.c_str()) != 0) ::_exit(126);
    if (limits.nobody && ::geteuid() == 0 && (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0))
      ::_exit(126);
    if (!limits.executable && !starts_itself(arguments))
      run_here(static_cast<int>(arguments.size()), argv.data());
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }

  // Kills the program if wait() was not called.
  ~Program() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // What the program has written to standard error so far.
  std::string err() const { return content_of(folder_ / err_); }

  void send(int signal) const { ::kill(pid_, signal); }

  // The processes that it has started and that have not ended.
  std::vector<pid_t> children() const {
    const std::string id = std::to_string(pid_);
    std::istringstream list(
        content_of(std::filesystem::path("/proc") / id / "task" / id / "children"));
    return {std::istream_iterator<pid_t>(list), std::istream_iterator<pid_t>()};
  }

  // Whether the program has a handler for this signal.
  bool handles(int signal) const {
    const std::string status =
        content_of(std::filesystem::path("/proc") / std::to_string(pid_) / "status");
    const std::size_t mask = status.find("SigCgt:");
    return mask != std::string::npos &&
           (std::stoull(status.substr(mask + 7), nullptr, 16) >> (signal - 1) & 1) != 0;
  }

  // Waits until the condition holds, the program ends, or a minute has passed.
  template <class Condition>
  void wait_until(const Condition& condition) const {
    for (int i = 0; i < 6000 && !condition(); ++i) {
      siginfo_t info{};
      if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
          info.si_pid == pid_)
        return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

  ProgramResult wait() {
    int status = 0;
    struct rusage usage {};
    ::wait4(std::exchange(pid_, -1), &status, 0, &usage);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), WIFSIGNALED(status),
            content_of(folder_ / ".stdout"), content_of(folder_ / err_), usage.ru_maxrss};
  }

 private:
  // What main() does.
  [[noreturn]] static void run_here(int argc, char** argv) noexcept {
    const int code = run_command_line(argc, argv);
    std::fflush(nullptr);
    std::_Exit(code);
  }

  static bool starts_itself(const std::vector<std::string>& arguments) {
    return std::ranges::any_of(arguments, [](const std::string& argument) {
      return argument == "--ranks" || argument == "--gpus";
    });
  }

  static void limit(decltype(RLIMIT_AS) resource, rlim_t bytes) {
    const struct rlimit limits { bytes, bytes };
    if (bytes > 0) ::setrlimit(resource, &limits);
  }

  std::filesystem::path folder_, out_, err_;
  pid_t pid_ = -1;
};

inline ProgramResult run_program(const std::filesystem::path& folder,
                                 std::vector<std::string> arguments, const Limits& limits = {}) {
  return Program(folder, std::move(arguments), limits).wait();
}

}  // namespace ddpm::testing
