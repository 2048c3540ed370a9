#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "support/files.h"
#include "support/program.h"

namespace ddpm {
namespace {

using testing::run_program;

class Help : public ::testing::Test {
 protected:
  testing::TemporaryFolder folder_;
};

TEST_F(Help, GoesToStandardOutput) {
  for (const char* command :
       {"train", "sample", "denoise", "inspect", "convert", "bench", "config", "completion"}) {
    const auto result = run_program(folder_.path(), {command, "--help"});
    EXPECT_EQ(result.code, 0);
    EXPECT_NE(result.out.find("Usage"), std::string::npos) << command;
    EXPECT_NE(result.out.find("Examples:"), std::string::npos) << command;
    EXPECT_EQ(result.err, "");
  }
}

TEST_F(Help, VersionNamesProgramAndLibTorch) {
  const auto result = run_program(folder_.path(), {"--version"});
  EXPECT_EQ(result.code, 0);
  EXPECT_NE(result.out.find("ddpm 0."), std::string::npos);
  EXPECT_NE(result.out.find("LibTorch"), std::string::npos);
  EXPECT_NE(result.out.find("CUDA"), std::string::npos);
}

TEST_F(Help, TheNameAloneShowsWhatThereIs) {
  const auto result = run_program(folder_.path(), {});
  EXPECT_EQ(result.code, 2);
  for (const char* part : {"train", "sample", "Usage", "Examples:"})
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
}

TEST_F(Help, AMistypedCommandIsNamedAndGuessed) {
  const auto result = run_program(folder_.path(), {"trian", "--config", "x.json"});
  EXPECT_EQ(result.code, 2);
  for (const char* part : {"'trian'", "did you mean 'train'?", "sample", "inspect"})
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find("docs"), std::string::npos);  // which is not for users
  const auto help = run_program(folder_.path(), {"help"});
  EXPECT_EQ(help.code, 2);
  EXPECT_NE(help.err.find("see ddpm --help"), std::string::npos) << help.err;
}

TEST_F(Help, MistakesAreExitCodeTwo) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {}, {"trian"}, {"train"}, {"train", "--config", "x.json", "--stesp", "3"}}) {
    const auto result = run_program(folder_.path(), arguments);
    EXPECT_EQ(result.code, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err, "");
  }
}

TEST_F(Help, AMistypedSubcommandIsNamedAndGuessed) {
  const auto config = run_program(folder_.path(), {"config", "shwo"});
  EXPECT_EQ(config.code, 2);
  for (const char* part : {"'shwo'", "did you mean 'show'?", "check", "ddpm config --help"})
    EXPECT_NE(config.err.find(part), std::string::npos) << config.err;
  const auto shell = run_program(folder_.path(), {"completion", "tcsh"});
  EXPECT_EQ(shell.code, 2);
  EXPECT_NE(shell.err.find("'tcsh'"), std::string::npos) << shell.err;
  EXPECT_NE(shell.err.find("bash, zsh, fish"), std::string::npos) << shell.err;
}

// The generated pages in docs/ are what the program prints now.
TEST_F(Help, GeneratedPagesAreNotStale) {
  for (const char* page : {"cli", "config"}) {
    const auto result = run_program(folder_.path(), {"docs", page});
    ASSERT_EQ(result.code, 0);
    EXPECT_EQ(result.out, testing::content_of(std::filesystem::path(DDPM_SOURCE_DIR) / "docs" /
                                              (std::string(page) + ".md")))
        << "ddpm docs " << page << " > docs/" << page << ".md";
  }
}

TEST_F(Help, CompletionsAreScriptsThatKnowTheOptions) {
  const auto bash = run_program(folder_.path(), {"completion", "bash"});
  ASSERT_EQ(bash.code, 0);
  std::ofstream(folder_.path() / "completion.sh")
      << bash.out
      << "\nCOMP_WORDS=(ddpm train --res); COMP_CWORD=2; _ddpm; echo \"${COMPREPLY[*]}\"\n";
  const std::string command = "bash " + (folder_.path() / "completion.sh").string() + " > " +
                              (folder_.path() / "reply").string();
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(testing::content_of(folder_.path() / "reply"), "--resume\n");
  EXPECT_EQ(run_program(folder_.path(), {"completion", "zsh"}).code, 0);
  const auto fish = run_program(folder_.path(), {"completion", "fish"});
  EXPECT_NE(fish.out.find("-l resume"), std::string::npos);
  // An apostrophe in a description would end its quotation.
  std::istringstream lines(fish.out);
  for (std::string line; std::getline(lines, line);)
    EXPECT_EQ(std::ranges::count(line, '\'') % 2, 0) << line;
}

TEST_F(Help, EveryConfigOfTheRepositoryIsValid) {
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(DDPM_SOURCE_DIR) / "configs")) {
    // Not every machine has the data.
    const auto result = run_program(folder_.path(), {"config", "check", "--config",
                                                     entry.path().string(), "--set", "data.path="});
    EXPECT_EQ(result.code, 0) << entry.path() << ": " << result.err;
  }
}

}  // namespace
}  // namespace ddpm
