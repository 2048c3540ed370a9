// Compares docs/cli.md with the help of each command.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "support/files.h"
#include "support/program.h"

namespace ddpm {
namespace {

using testing::contains;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// The lines of help from a heading ("Examples:") to the next empty line, without indentation.
std::vector<std::string> block_below(const std::string& help, const std::string& heading) {
  const std::vector<std::string> lines = lines_of(help);
  std::vector<std::string> block;
  for (auto line = std::ranges::find(lines, heading); line != lines.end(); ++line)
    if (line->empty())
      break;
    else if (*line != heading)
      block.push_back(line->substr(2));
  return block;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

struct Command {
  std::string name;         // "ddpm config show"
  std::string description;  // from the help of its parent; empty for the program itself
  std::string help;         // what NAME --help prints
};

class CommandPage : public ::testing::Test {
 protected:
  CommandPage() : page_(output({"docs", "cli"})) {}

  std::string output(const std::vector<std::string>& arguments) const {
    const auto result = testing::run_program(folder_.path(), arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  }

  // All commands that users see, found only through the help.
  std::vector<Command> commands() const {
    std::vector<Command> list;
    add_commands(list, {}, "");
    for (const char* name : {"ddpm", "ddpm train", "ddpm bench", "ddpm config keys"})
      EXPECT_EQ(std::ranges::count(list, name, &Command::name), 1) << name;
    return list;
  }

  // Adds this command, then those that its help lists.
  void add_commands(std::vector<Command>& list, std::vector<std::string> words,
                    const std::string& description) const {
    std::string name = "ddpm";
    for (const std::string& word : words) name += " " + word;
    words.emplace_back("--help");
    const std::string help = output(words);
    list.push_back({name, description, help});
    for (const std::string& line : block_below(help, "Subcommands:")) {
      words.back() = line.substr(0, line.find(' '));
      add_commands(list, words, line.substr(line.find_first_not_of(' ', words.back().size())));
    }
  }

  // The text of the page below the command's heading.
  std::string section(const std::string& name) const {
    const std::string heading = "\n## `" + name + "`\n";
    EXPECT_EQ(count(page_, heading), 1u) << name;
    const std::size_t start = page_.find(heading) + heading.size();
    return page_.substr(start, page_.find("\n## ", start) - start);
  }

  testing::TemporaryFolder folder_;
  std::string page_;
};

TEST_F(CommandPage, HasASectionWithTheHelpOfEveryCommand) {
  const std::vector<Command> list = commands();
  EXPECT_EQ(count(page_, "\n## "), list.size());
  for (const Command& command : list) {
    const std::string text = section(command.name);
    EXPECT_EQ(text, "\n```text\n" + command.help + "```\n");
    EXPECT_EQ(count(text, "Usage: "), 1u) << text;
    EXPECT_TRUE(contains(text, "\nUsage: " + command.name + " [OPTIONS]")) << text;
  }
}

TEST_F(CommandPage, ShowsTheOptionsThatScriptsRelyOn) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> options = {
      {"ddpm", {"--version"}},
      {"ddpm train", {"-c,--config", "--resume", "--overwrite", "--init-from", "--max-minutes"}},
      {"ddpm sample", {"--model", "--steps", "--sampler", "--count", "--batch-size", "--seed"}},
      {"ddpm denoise", {"--model", "--input", "--output", "--overwrite"}},
      {"ddpm inspect", {"--diff A B ", "--data", "--json", "--batch-size"}},
      {"ddpm convert", {"--model", "--to", "--output", "--dtype"}},
      {"ddpm bench", {"--train", "--sample", "--seconds", "--kernels", "--json"}},
      {"ddpm config show", {"-c,--config", "--set", "--json"}},
      {"ddpm config check", {"-c,--config", "--set"}}};
  for (const auto& [name, list] : options)
    for (const std::string& option : list)
      EXPECT_TRUE(contains(section(name), "\n  " + option)) << name << " " << option;
}

TEST_F(CommandPage, ListsTheCommandsFirst) {
  const std::vector<Command> list = commands();
  std::vector<std::string> rows;
  for (const std::string& line : lines_of(page_.substr(0, page_.find("\n## "))))
    if (line.starts_with("| [")) rows.push_back(line);
  ASSERT_EQ(rows.size(), list.size()) << page_;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::string anchor = list[i].name;
    std::ranges::replace(anchor, ' ', '-');
    EXPECT_TRUE(rows[i].starts_with("| [`" + list[i].name + "`](#" + anchor + ") | ")) << rows[i];
    EXPECT_TRUE(contains(rows[i], list[i].description)) << rows[i];
  }
}

// "ddpm train --config my.json" is an example of ddpm train. "source <(ddpm completion bash)" is an
// example of ddpm completion bash and also of its parent, ddpm completion.
TEST_F(CommandPage, GivesExamplesOfTheCommandItself) {
  for (const Command& command : commands()) {
    const std::vector<std::string> examples = block_below(command.help, "Examples:");
    EXPECT_FALSE(examples.empty()) << command.name;
    for (const std::string& example : examples) {
      const std::size_t start = example.find("ddpm");
      ASSERT_NE(start, std::string::npos) << command.name << ": " << example;
      const std::string called = example.substr(start) + " ";
      EXPECT_TRUE(called.starts_with(command.name + " ") || called.starts_with(command.name + ")"))
          << command.name << ": " << example;
    }
  }
}

}  // namespace
}  // namespace ddpm
