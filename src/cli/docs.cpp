#include <algorithm>
#include <cstdio>

#include "command.h"
#include "ddpm/config/describe.h"

namespace ddpm::cli {
namespace {

// The part before the help of each command.
constexpr const char* kIntroduction =
    R"(Results go to standard output, everything else to standard error. A progress bar appears
only on a terminal; `NO_COLOR` turns colours off. File names can hold bytes that are not UTF-8 and
control characters. Messages show these as `\xE9` or `\n`, and so do results on a
terminal; a script reads the paths of results as they are. JSON is always valid: it shows bytes that
are not UTF-8 as `\\xE9`.

| exit code | meaning |
|---|---|
| 0 | done; every output named on standard output exists |
| 1 | failure of the machine or the program (out of memory, no device, I/O) |
| 2 | wrong usage or config |
| 3 | bad data |
| 4 | bad checkpoint or model file, or the last checkpoint could not be saved |
| 5 | training became non-finite; the last good checkpoint is named |
| 129, 130, 143 | stopped by SIGHUP, SIGINT, SIGTERM; `train` has saved a checkpoint |
| 141 | the reader of standard output went away, as `head` does; there is no message |

Ctrl-C (SIGINT), SIGTERM and SIGHUP (the terminal was closed) stop `train` after the current step,
with a checkpoint. `sample` keeps the images that are finished and says how many there are. A second
Ctrl-C quits immediately; other commands quit at the first. A program started with `nohup` goes on
when the terminal is closed. SIGUSR1 makes `train` save a checkpoint and go on. `--max-minutes`
stops like SIGTERM, but with exit code 0. `--resume auto` continues a stopped run.
)";

// A command under the name that people type, "ddpm config show".
struct NamedCommand {
  std::string name;
  const CLI::App* command;
};

// The command and all that are visible below it, each before its own subcommands.
std::vector<NamedCommand> with_subcommands(const CLI::App& command, const std::string& name) {
  std::vector<NamedCommand> list = {{name, &command}};
  for (const CLI::App* child : visible_commands(command))
    for (NamedCommand& below : with_subcommands(*child, name + " " + child->get_name()))
      list.push_back(std::move(below));
  return list;
}

// What GitHub makes of a heading: "ddpm config show" is #ddpm-config-show.
std::string anchor(std::string name) {
  std::ranges::replace(name, ' ', '-');
  return "#" + name;
}

// CLI::App::help would show `ddpm docs cli` instead, the command that was chosen.
std::string help_of(const NamedCommand& entry) {
  return entry.command->get_formatter()->make_help(entry.command, entry.name,
                                                   CLI::AppFormatMode::Normal);
}

}  // namespace

std::string cli_markdown(const CLI::App& program) {
  const std::vector<NamedCommand> commands = with_subcommands(program, program.get_name());
  std::string page =
      "# Command line\n\n"
      "`ddpm docs cli` prints this page; a test fails when it is out of date.\n\n"
      "| command | does |\n|---|---|\n";
  for (const NamedCommand& entry : commands)
    page += format_text("| [`{}`]({}) | {} |\n", entry.name, anchor(entry.name),
                        entry.command->get_description());
  page += std::string("\n") + kIntroduction;
  for (const NamedCommand& entry : commands)
    page += "\n## `" + entry.name + "`\n\n```text\n" + help_of(entry) + "```\n";
  return page;
}

// Hidden from users: prints the generated pages of docs/.
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
