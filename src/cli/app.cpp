#include "ddpm/cli/app.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>
#include <utility>

#include "command.h"
#include "current_error.h"
#include "ddpm/base/signals.h"
#include "ddpm/base/text.h"
#include "ddpm/base/version.h"
#include "mistakes.h"

namespace ddpm {
namespace {

std::string version_text() {
  const VersionInfo& version = version_info();
  return format_text("ddpm {}\nLibTorch {}\nCUDA     {}\ngit      {}\ncompiler {}", version.program,
                     version.libtorch, version.cuda, version.git_revision, version.compiler);
}

std::string join_arguments(int argc, char** argv) {
  std::string line;
  for (int i = 0; i < argc; ++i) line += (i > 0 ? " " : "") + std::string(argv[i]);
  return line;
}

int fail(ExitCode code, const std::string& message) {
  log_message(LogLevel::kError, "error: " + message);
  return static_cast<int>(code);
}

// Runs the action; whatever goes wrong becomes one message and one exit code.
int run_action(const cli::Action& action) {
  try {
    return static_cast<int>(action());
  } catch (...) {
    const Error error = cli::current_error();
    return fail(error.code(), error.what());
  }
}

// Standard streams that the caller closed would lend their numbers to the next files that are
// opened, and messages would end up in these. Writing to what takes their place fails, as it
// should.
void reserve_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(stream, F_GETFD) == -1 && ::open("/dev/null", O_RDONLY) != stream) std::abort();
}

// Whether standard output is a pipe that nobody reads any more, as behind `| head`.
bool reader_is_gone() {
  struct pollfd output {
    .fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0
  };
  return ::poll(&output, 1, /*timeout=*/0) == 1 && (output.revents & POLLERR) != 0;
}

// Results that did not arrive are no success: a full disk, for example. A reader that has seen
// enough wants no message, but gets the exit code of a program that SIGPIPE ended.
int check_output(int code) {
  const bool arrived = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (arrived || code != 0) return code;
  const int reason = errno;
  if (reader_is_gone()) return static_cast<int>(ExitCode::kPipeClosed);
  return fail(ExitCode::kFailure,
              format_text("cannot write to standard output: {}", std::strerror(reason)));
}

// "help" and "help train" are "--help" and "train --help", and "version" is "--version".
std::vector<std::string> words_of(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && words.front() == "help") {
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  if (words.size() == 1 && words.front() == "version") words.front() = "--version";
  return words;
}

// CLI11 prints help and version to standard output and mistakes to standard error; a mistake is
// exit code 2.
int report_parse_result(const CLI::App& program, const CLI::ParseError& result) {
  const bool asked_for_text = result.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success);
  std::ostringstream messages;
  program.exit(result, std::cout, messages);
  std::fputs(printable(messages.str(), /*keep_lines=*/true).c_str(), stderr);
  return static_cast<int>(asked_for_text ? ExitCode::kSuccess : ExitCode::kUsage);
}

}  // namespace

int run_command_line(int argc, char** argv) {
  reserve_standard_streams();
  install_signal_handlers();
  set_up_logging({});
  CLI::App program("Trains denoising diffusion models and samples from them.", "ddpm");
  program.set_version_flag("--version", version_text(),
                           "Print the versions of the program, LibTorch and CUDA");
  program.require_subcommand(1);
  program.get_formatter()->column_width(34);

  cli::Action action;
  cli::add_train(program, action, join_arguments(argc, argv));
  cli::add_sample(program, action);
  cli::add_inpaint(program, action);
  cli::add_interpolate(program, action);
  cli::add_denoise(program, action);
  cli::add_inspect(program, action);
  cli::add_runs(program, action);
  cli::add_vocode(program, action);
  cli::add_mel(program, action);
  cli::add_tokenize(program, action);
  cli::add_encode(program, action);
  cli::add_decode(program, action);
  cli::add_contexts(program, action);
  cli::add_convert(program, action);
  cli::add_evaluate(program, action);
  cli::add_bench(program, action);
  cli::add_config(program, action);
  cli::add_completion(program, action);
  cli::add_docs(program, action);
  // Last, since a subcommand that is added takes over the footer of its parent.
  program.footer(cli::examples({"ddpm train --config configs/cifar10.json",
                                "ddpm sample --steps 1000", "ddpm help COMMAND"}));
  if (argc <= 1) {  // the name alone asks which commands there are
    std::fputs(program.help().c_str(), stderr);
    return static_cast<int>(ExitCode::kUsage);
  }
  std::vector<std::string> words = words_of(argc, argv);
  if (const std::string mistake = cli::usage_mistake(program, words); !mistake.empty())
    return fail(ExitCode::kUsage, mistake);
  try {
    std::ranges::reverse(words);  // CLI11 takes them from the end
    program.parse(std::move(words));
  } catch (const CLI::ParseError& result) {
    return report_parse_result(program, result);
  }
  return check_output(run_action(action));
}

}  // namespace ddpm
