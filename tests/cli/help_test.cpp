#include <gtest/gtest.h>

#include <fstream>

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
       {"train", "sample", "denoise", "inspect", "convert", "config", "completion"}) {
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

// The generated pages in docs/ are what the program prints now. To renew: ddpm docs cli >
// docs/cli.md
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
  EXPECT_NE(run_program(folder_.path(), {"completion", "fish"}).out.find("-l resume"),
            std::string::npos);
}

TEST_F(Help, EveryConfigOfTheRepositoryIsValid) {
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(DDPM_SOURCE_DIR) / "configs")) {
    const auto result =
        run_program(folder_.path(), {"config", "check", "--config", entry.path().string()});
    EXPECT_EQ(result.code, 0) << entry.path() << ": " << result.err;
  }
}

}  // namespace
}  // namespace ddpm
