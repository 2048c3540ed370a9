#include <cstdio>

#include "command.h"

namespace ddpm::cli {
namespace {

// Long option names of a command: "--config --resume ...".
std::string option_names(const CLI::App& command) {
  std::string names;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) names += "--" + name + " ";
  return names;
}

std::string command_names(const CLI::App& command) {
  std::string names;
  for (const CLI::App* child : visible_commands(command)) names += child->get_name() + " ";
  return names;
}

std::string bash(const CLI::App& program) {
  std::string cases;
  for (const CLI::App* command : visible_commands(program))
    cases += "    " + command->get_name() + ") words=\"" + command_names(*command) +
             option_names(*command) + "\" ;;\n";
  return "# Load with: source <(ddpm completion bash)\n"
         "_ddpm() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} words\n"
         "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
         "    words=\"" +
         command_names(program) + option_names(program) +
         "\"\n"
         "  else\n"
         "    case ${COMP_WORDS[1]} in\n" +
         cases +
         "    esac\n"
         "  fi\n"
         "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
         "  if [ ${#COMPREPLY[@]} -eq 0 ]; then compopt -o default; fi\n"
         "}\n"
         "complete -F _ddpm ddpm\n";
}

std::string zsh(const CLI::App& program) {
  // zsh runs bash completions through its compatibility layer.
  return "# Load with: source <(ddpm completion zsh)\nautoload -U +X bashcompinit && "
         "bashcompinit\nautoload -U +X compinit && compinit\n" +
         bash(program);
}

std::string fish(const CLI::App& program) {
  std::string text = "# Load with: ddpm completion fish | source\n";
  for (const CLI::App* command : visible_commands(program)) {
    const std::string& name = command->get_name();
    text += "complete -c ddpm -n __fish_use_subcommand -f -a " + name + " -d '" +
            command->get_description() + "'\n";
    for (const CLI::App* child : visible_commands(*command))
      text += "complete -c ddpm -n '__fish_seen_subcommand_from " + name + "' -f -a " +
              child->get_name() + "\n";
    for (const CLI::Option* option : command->get_options())
      for (const std::string& option_name : option->get_lnames())
        text += "complete -c ddpm -n '__fish_seen_subcommand_from " + name + "' -l " + option_name +
                "\n";
  }
  return text;
}

}  // namespace

void add_completion(CLI::App& program, Action& action) {
  CLI::App* completion =
      program.add_subcommand("completion", "Print a completion script for your shell");
  completion->require_subcommand(1);
  struct Shell {
    const char* name;
    std::string (*generator)(const CLI::App&);
    const char* example;
  };
  const Shell shells[] = {
      {"bash", bash, "source <(ddpm completion bash)"},
      {"zsh", zsh, "source <(ddpm completion zsh)"},
      {"fish", fish, "ddpm completion fish > ~/.config/fish/completions/ddpm.fish"}};
  for (const Shell& shell : shells) {
    CLI::App* command =
        completion->add_subcommand(shell.name, std::string("Print the script for ") + shell.name);
    command->footer(examples({shell.example}));
    command->callback([&action, &program, generator = shell.generator] {
      action = [&program, generator] {
        std::fputs(generator(program).c_str(), stdout);
        return ExitCode::kSuccess;
      };
    });
  }
  completion->footer(examples({shells[0].example, shells[1].example, shells[2].example}));
}

}  // namespace ddpm::cli
