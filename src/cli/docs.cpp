#include <cstdio>

#include "command.h"
#include "ddpm/config/describe.h"

namespace ddpm::cli {
namespace {

// Help as --help prints it, in a code block, for a command and those below it.
void append_help(std::string& page, const CLI::App& command, const std::string& name) {
  page += "\n## `" + name + "`\n\n```text\n" + command.help(name) + "```\n";
  for (const CLI::App* child : visible_commands(command))
    append_help(page, *child, name + " " + child->get_name());
}

}  // namespace

std::string cli_markdown(const CLI::App& program) {
  std::string page =
      "# Command line\n\n"
      "Made from the program by `ddpm docs cli`; a test fails when this page is stale.\n\n"
      "Results go to standard output, everything else to standard error. A progress bar appears on "
      "terminals only; `NO_COLOR` is "
      "honoured.\n\n"
      "| exit code | meaning |\n|---|---|\n"
      "| 0 | done; every output named on standard output exists |\n"
      "| 1 | failure of the machine or the program (out of memory, no device, I/O) |\n"
      "| 2 | usage or config |\n"
      "| 3 | data |\n"
      "| 4 | checkpoint or model file; the last checkpoint could not be saved |\n"
      "| 5 | training became non-finite; the last good checkpoint is named |\n"
      "| 129, 130, 143 | stopped by SIGHUP, SIGINT, SIGTERM; a checkpoint was saved |\n"
      "\nSIGINT, SIGTERM and SIGHUP (a terminal that was closed): the step is finished, a "
      "checkpoint saved (`sample`: finished images stay, the rest is reported). A second SIGINT "
      "ends at once, as do commands other than these two. `nohup ddpm ...` outlives its terminal. "
      "SIGUSR1: `train` saves a checkpoint "
      "and goes on. `--max-minutes` ends like SIGTERM, but with exit code 0; `--resume auto` goes "
      "on.\n";
  append_help(page, program, "ddpm");
  return page;
}

// Hidden: makes the pages below docs/.
void add_docs(CLI::App& program, Action& action) {
  CLI::App* docs =
      program.add_subcommand("docs", "Print a generated page: cli or config")->group("");
  docs->require_subcommand(1);
  docs->add_subcommand("cli", "docs/cli.md")->callback([&action, &program] {
    action = [&program] {
      std::fputs(cli_markdown(program).c_str(), stdout);
      return ExitCode::kSuccess;
    };
  });
  docs->add_subcommand("config", "docs/config.md")->callback([&action] {
    action = [] {
      std::fputs(config_markdown().c_str(), stdout);
      return ExitCode::kSuccess;
    };
  });
}

}  // namespace ddpm::cli
