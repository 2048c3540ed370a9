#include "mistakes.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "command.h"
#include "ddpm/base/text.h"
#include "ddpm/config/fields.h"

namespace ddpm::cli {
namespace {

using Words = std::vector<std::string>;

std::string did_you_mean(const std::string& likely) {
  return likely.empty() ? "." : "; did you mean '" + likely + "'?";
}

std::string unknown_command(const CLI::App& command, const std::string& name,
                            const std::string& word) {
  Words names;
  for (const CLI::App* child : visible_commands(command)) names.push_back(child->get_name());
  return format_text("unknown command '{}'{} The commands of {} are {}; see {} --help",
                     shorten(word), did_you_mean(nearest(word, names)), name, join(names), name);
}

// The option that a word names, alone or with its value: "--steps", "--steps=3", "-c", "-cFILE".
// nullptr if the command has none of that name.
const CLI::Option* option_of(const CLI::App& command, const std::string& word) {
  const bool is_long = word.starts_with("--");
  return command.get_option_no_throw(is_long ? word.substr(0, word.find('=')) : word.substr(0, 2));
}

bool has_value_inside(const std::string& word) {
  return word.starts_with("--") ? word.find('=') != std::string::npos : word.size() > 2;
}

// Not "-", which stands for a file, nor "-1".
bool looks_like_option(const std::string& word) {
  return word.size() > 1 && word[0] == '-' && (word[1] < '0' || word[1] > '9') && word[1] != '.';
}

// "--set training.batch_size=..." for --batch-size, if the command changes configs.
std::string config_key_advice(const CLI::App& command, const std::string& option) {
  if (command.get_option_no_throw("--set") == nullptr) return "";
  std::string name = option.substr(2);
  std::ranges::replace(name, '-', '_');
  for (const Field& field : fields())
    if (field.name() == name) return format_text("; did you mean --set {}=...?", field.path);
  return "";
}

std::string unknown_option(const CLI::App& command, const std::string& name,
                           const std::string& word) {
  const std::string option = word.substr(0, word.find('='));
  Words options;
  for (const CLI::Option* known : command.get_options())
    for (const std::string& long_name : known->get_lnames()) options.push_back("--" + long_name);
  std::string advice = option.starts_with("--") ? config_key_advice(command, option) : "";
  if (const std::string likely = nearest(option, options); !likely.empty())
    advice = did_you_mean(likely);
  return format_text("unknown option '{}'{} See {} --help", shorten(option),
                     advice.empty() ? "." : advice, name);
}

// How many words the command takes that are no options or their values: any number if it has
// commands, which are hidden here.
std::int64_t room_for_words(const CLI::App& command) {
  const auto any = [](const CLI::App* /*child*/) { return true; };
  if (!command.get_subcommands(any).empty()) return std::numeric_limits<std::int64_t>::max();
  std::int64_t room = 0;
  for (const CLI::Option* option : command.get_options())
    if (option->get_positional()) room += option->get_items_expected_max();
  return room;
}

// A config is the most likely word: "ddpm train run.json".
std::string unexpected_word(const CLI::App& command, const std::string& name,
                            const std::string& word) {
  const bool is_config =
      command.get_option_no_throw("--config") != nullptr && word.ends_with(".json");
  return format_text("unexpected word '{}'{} See {} --help", shorten(word),
                     did_you_mean(is_config ? "--config " + shorten(word) : ""), name);
}

// Of the words behind the command's name.
std::string option_mistake(const CLI::App& command, const std::string& name, const Words& words) {
  std::int64_t room = room_for_words(command);
  for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    if (!looks_like_option(words[i])) {
      if (--room < 0) return unexpected_word(command, name, words[i]);
      continue;
    }
    const CLI::Option* option = option_of(command, words[i]);
    if (option == nullptr) return unknown_option(command, name, words[i]);
    if (has_value_inside(words[i])) continue;
    const int least = option->get_items_expected_min();
    for (int values = least; values > 0; --values) {
      if (++i == words.size()) return "";  // CLI11 says that it is missing
      if (looks_like_option(words[i]) && option_of(command, words[i]) != nullptr)
        return format_text("{} needs a value, {}, before {}; see {} --help", option->get_name(),
                           option->get_type_name(), words[i], name);
    }
    for (int more = option->get_items_expected_max() - least;
         more > 0 && i + 1 < words.size() && !looks_like_option(words[i + 1]); --more)
      ++i;
  }
  return "";
}

}  // namespace

std::string usage_mistake(const CLI::App& program, const Words& words) {
  const CLI::App* command = &program;
  std::string name = program.get_name();
  auto word = words.begin();
  // Words are commands until the first option or the first command without subcommands.
  for (; word != words.end() && !visible_commands(*command).empty(); ++word) {
    if (word->starts_with("-")) break;
    const std::vector<const CLI::App*> found =
        command->get_subcommands([&](const CLI::App* child) { return child->get_name() == *word; });
    if (found.empty()) return unknown_command(*command, name, *word);
    command = found.front();
    name += " " + *word;
  }
  return option_mistake(*command, name, Words(word, words.end()));
}

}  // namespace ddpm::cli
