#include <algorithm>
#include <cstdio>
#include <map>

#include "choices.h"
#include "command.h"
#include "ddpm/base/text.h"

namespace ddpm::cli {
namespace {

using Words = std::vector<std::string>;

// Long option names of a command and of its subcommands: "--config", "--resume", ...
Words option_names(const CLI::App& command) {
  Words names;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  for (const CLI::App* child : visible_commands(command))
    for (const std::string& name : option_names(*child))
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  return names;
}

Words command_names(const CLI::App& command) {
  Words names;
  for (const CLI::App* child : visible_commands(command)) names.push_back(child->get_name());
  return names;
}

// Subcommands, then options, in one text.
std::string words_of(const CLI::App& command) {
  Words words = command_names(command);
  for (const std::string& name : option_names(command)) words.push_back(name);
  return join(words, " ");
}

// The values of every option and config key that takes only some: "--precision", "run.precision".
std::map<std::string, std::string> values_by_name(const CLI::App& program) {
  std::map<std::string, std::string> values;
  for (const std::string& name : option_names(program))
    if (const Words words = values_of_option(name); !words.empty()) values[name] = join(words, " ");
  for (const Field& field : fields())
    if (const Words words = values_of_key(field); !words.empty())
      values[field.path] = join(words, " ");
  return values;
}

std::string key_names() {
  Words names;
  for (const Field& field : fields()) names.push_back(field.path);
  return join(names, " ");
}

// The functions that bash and zsh share: `_ddpm_words COMMAND` and `_ddpm_values NAME` print words
// in one line, the second nothing if anything is allowed.
std::string shared_functions(const CLI::App& program) {
  std::string words, values;
  for (const CLI::App* command : visible_commands(program))
    words += "    " + command->get_name() + ") echo \"" + words_of(*command) + "\" ;;\n";
  for (const auto& [name, list] : values_by_name(program))
    values += "    " + name + ") echo \"" + list + "\" ;;\n";
  Words first = command_names(program);
  for (const CLI::Option* option : program.get_options())
    for (const std::string& name : option->get_lnames()) first.push_back("--" + name);
  return "_ddpm_words() {\n  case $1 in\n    '') echo \"" + join(first, " ") + "\" ;;\n" + words +
         "  esac\n}\n"
         "_ddpm_values() {\n  case $1 in\n" +
         values +
         "  esac\n}\n"
         "_ddpm_keys=\"" +
         key_names() + "\"\n";
}

std::string bash(const CLI::App& program) {
  return "# Load with: source <(ddpm completion bash)\n" + shared_functions(program) +
         R"END(_ddpm() {
  local current=${COMP_WORDS[COMP_CWORD]} i=$COMP_CWORD name='' start='' words=''
  # bash makes a word of each = in a line, unless COMP_WORDBREAKS has none.
  if [ "$current" = = ]; then current=''; i=$((i + 1)); fi
  if [ "$i" -ge 2 ] && [ "${COMP_WORDS[i - 1]}" = = ]; then
    name=${COMP_WORDS[i - 2]}
  else
    case $current in
      *=*) name=${current%%=*} start=${current%%=*}= current=${current#*=} ;;
      *) name=${COMP_WORDS[i - 1]} ;;
    esac
  fi
  if [ "$name" = --set ]; then
    mapfile -t COMPREPLY < <(compgen -W "$_ddpm_keys" -P "$start" -S = -- "$current")
    compopt -o nospace
    return
  fi
  words=$(_ddpm_values "$name")
  if [ -z "$words" ] && [ -z "$start" ] && [ "${COMP_WORDS[i - 1]}" != = ]; then
    if [ "$COMP_CWORD" -eq 1 ]; then
      words=$(_ddpm_words '')
    else
      words=$(_ddpm_words "${COMP_WORDS[1]}")
    fi
  fi
  mapfile -t COMPREPLY < <(compgen -P "$start" -W "$words" -- "$current")
  if [ ${#COMPREPLY[@]} -eq 0 ]; then compopt -o default; fi
}
complete -F _ddpm ddpm
)END";
}

std::string zsh(const CLI::App& program) {
  return "# Load with: source <(ddpm completion zsh)\nautoload -U +X compinit && compinit\n" +
         shared_functions(program) +
         R"END(_ddpm() {
  local current=$words[CURRENT] name=$words[CURRENT-1]
  local -a found
  if [[ $current == *=* ]]; then # --precision=bf16, key=value behind --set
    name=${current%%=*}
    compset -P '*='
  fi
  if [[ $name == --set ]]; then
    found=(${=_ddpm_keys})
    compadd -q -S = -- $found
    return
  fi
  found=(${=$(_ddpm_values $name)})
  if (( ! $#found )) && [[ $current != *=* ]]; then
    if (( CURRENT == 2 )); then
      found=(${=$(_ddpm_words '')})
    else
      found=(${=$(_ddpm_words $words[2])})
    fi
  fi
  compadd -- $found || _files
}
compdef _ddpm ddpm
)END";
}

// In fish: the keys, or behind a key and = its values, each as a whole word.
std::string fish_set_function() {
  std::string cases;
  for (const Field& field : fields())
    if (const Words words = values_of_key(field); !words.empty())
      cases += "    case '" + field.path + "=*'\n      printf '%s\\n' " + field.path + "=" +
               join(words, " " + field.path + "=") + "\n";
  return "function __ddpm_set\n  switch (commandline -ct)\n" + cases +
         "    case '*'\n      printf '%s=\\n' " + key_names() + "\n  end\nend\n";
}

std::string fish_option(const std::string& condition, const std::string& option) {
  std::string line = "complete -c ddpm -n '" + condition + "' -l " + option;
  const Words words = values_of_option("--" + option);
  if (option == "set")
    line += " -x -a '(__ddpm_set)'";
  else if (!words.empty())  // --resume takes a path too
    line += (option == "resume" ? " -r -a '" : " -x -a '") + join(words, " ") + "'";
  return line + "\n";
}

std::string fish(const CLI::App& program) {
  std::string text = "# Load with: ddpm completion fish | source\n" + fish_set_function();
  for (const CLI::App* command : visible_commands(program)) {
    const std::string& name = command->get_name();
    const std::string condition = "__fish_seen_subcommand_from " + name;
    text += "complete -c ddpm -n __fish_use_subcommand -f -a " + name + " -d '" +
            command->get_description() + "'\n";
    for (const std::string& child : command_names(*command))
      text += "complete -c ddpm -n '" + condition + "' -f -a " + child + "\n";
    for (const std::string& option : option_names(*command))
      text += fish_option(condition, option.substr(2));
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
