#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "ddpm/config/choices.h"
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
       {"train", "sample", "denoise", "inspect", "runs", "convert", "bench", "config", "completion",
        "vocode", "mel", "tokenize", "encode", "decode", "evaluate"}) {
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

// Most tests run the command line in a copy of their own process.
TEST_F(Help, TheExecutableIsTheSameProgram) {
  constexpr testing::Limits kExecutable{.executable = true};
  const auto keys = run_program(folder_.path(), {"config", "keys"}, kExecutable);
  EXPECT_EQ(keys.code, 0);
  EXPECT_EQ(keys.out, run_program(folder_.path(), {"config", "keys"}).out);
  const auto mistake = run_program(folder_.path(), {"trian"}, kExecutable);
  EXPECT_EQ(mistake.code, 2);
  EXPECT_EQ(mistake.err, run_program(folder_.path(), {"trian"}).err);
}

TEST_F(Help, ListsTheSamplers) {
  const auto result = run_program(folder_.path(), {"sample", "--list-samplers"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_NE(result.out.find("\nddpm         1            yes    "), std::string::npos)
      << result.out;
  EXPECT_NE(result.out.find("\nddim         1            eta    "), std::string::npos);
  EXPECT_NE(result.out.find("\nheun         2            churn  "), std::string::npos);
  EXPECT_NE(result.out.find("\ndpm2         2            no     "), std::string::npos);
  EXPECT_NE(result.out.find("\ndpm++2m-sde  1            yes    "), std::string::npos);
  EXPECT_EQ(std::ranges::count(result.out, '\n'), 20) << "a head, 18 samplers, a foot";
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
  EXPECT_EQ(result.err.find("docs"), std::string::npos);  // the command docs is hidden from users
}

TEST_F(Help, IsACommandToo) {
  const auto same = [&](std::vector<std::string> words, std::vector<std::string> usual) {
    const auto result = run_program(folder_.path(), std::move(words));
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.out, run_program(folder_.path(), std::move(usual)).out);
  };
  same({"help"}, {"--help"});
  same({"help", "train"}, {"train", "--help"});
  same({"help", "config", "show"}, {"config", "show", "--help"});
  const auto unknown = run_program(folder_.path(), {"help", "trian"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.err.find("did you mean 'train'?"), std::string::npos) << unknown.err;
}

TEST_F(Help, AMistypedOptionIsNamedAndGuessed) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"sample", "--stesp", "3"}, "'--stesp'; did you mean '--steps'?"},
      {{"sample", "--stesp=3"}, "'--stesp'; did you mean '--steps'?"},
      {{"train", "-c", "x.json", "--batch-size", "3"}, "--set training.batch_size="},
      {{"train", "-x"}, "unknown option '-x'"},
      {{"config", "show", "--confg", "x"}, "did you mean '--config'?"},
      {{"--versoin"}, "did you mean '--version'?"},
      {{"train", "--resume", "--config", "x.json"},
       "--resume needs a value, auto|latest|PATH, before --config"},
      {{"train", "--resume", "-c", "x.json"}, "before -c"},
      {{"train", "-c", "--dry-run"}, "--config needs a value, FILE, before --dry-run"},
      {{"train", "--seed", "1", "x.json"}, "'x.json'; did you mean '--config x.json'?"},
      {{"config", "check", "x.json"}, "did you mean '--config x.json'?"},
      {{"sample", "runs/a", "--steps", "3", "runs/b"}, "unexpected word 'runs/b'"},
      {{"runs", "a", "b"}, "unexpected word 'b'"}};
  for (const auto& [arguments, part] : cases) {
    const auto result = run_program(folder_.path(), arguments);
    EXPECT_EQ(result.code, 2);
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  }
}

TEST_F(Help, VersionIsAWordToo) {
  const auto word = run_program(folder_.path(), {"version"});
  EXPECT_EQ(word.code, 0);
  EXPECT_EQ(word.out, run_program(folder_.path(), {"--version"}).out);
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

// The generated pages in docs/ equal what the program prints.
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
  EXPECT_NE(fish.out.find("-l precision -x -a 'auto fp32"), std::string::npos);
  EXPECT_NE(fish.out.find("sampling.sampler=ddim"), std::string::npos);
  // An apostrophe would end the quotes around a description.
  std::istringstream lines(fish.out);
  for (std::string line; std::getline(lines, line);)
    EXPECT_EQ(std::ranges::count(line, '\'') % 2, 0) << line;
}

// What bash offers for a line that ends with the cursor.
TEST_F(Help, BashCompletesValuesAndConfigKeys) {
  std::ofstream(folder_.path() / "completion.sh")
      << run_program(folder_.path(), {"completion", "bash"}).out << R"END(
try() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  _ddpm 2>/dev/null # compopt complains outside of a completion
  echo "${COMPREPLY[*]}"
}
try ddpm train --precision bf
try ddpm train --precision = bf
try ddpm train --precision =
try ddpm sample --sampler ''
try ddpm sample --format s
try ddpm convert --to ddp
try ddpm train --resume a
try ddpm train --set training.learning_r
try ddpm train --set = training.clip
try ddpm train --set sampling.sampler =
try ddpm train --set sampling.sampler = ddi
try ddpm train --set = sampling.sampler = ddi
try ddpm train --set sampling.sampler=ddi
try ddpm train --set data.horizontal_flip = t
try ddpm train --set training.steps = 1
try ddpm config show --con
try ddpm run
)END";
  const std::string command = "bash " + (folder_.path() / "completion.sh").string() + " > " +
                              (folder_.path() / "reply").string();
  ASSERT_EQ(std::system(command.c_str()), 0);
  std::string samplers;
  for (const std::string_view name : kChoiceNames<SamplerKind>)
    samplers += (samplers.empty() ? "" : " ") + std::string(name);
  EXPECT_EQ(testing::content_of(folder_.path() / "reply"),
            "bf16\nbf16\nauto fp32 tf32 bf16\n" + samplers + "\nsafetensors\nddpm\nauto\n" +
                "training.learning_rate= training.learning_rate_schedule=\ntraining.clip_norm=\n" +
                samplers + "\nddim\nddim\nsampling.sampler=ddim\ntrue\n\n--config\nruns\n");
}

// zsh and fish check the syntax, where they are installed; fish also answers questions.
TEST_F(Help, ZshAndFishUnderstandTheirScripts) {
  for (const std::string shell : {"zsh", "fish"}) {
    const std::string file = (folder_.path() / (shell + ".script")).string();
    std::ofstream(file) << run_program(folder_.path(), {"completion", shell}).out;
    if (std::system(("command -v " + shell + " > /dev/null").c_str()) != 0) continue;
    EXPECT_EQ(std::system((shell + " -n " + file).c_str()), 0);
    if (shell == "zsh") continue;
    const std::string ask = "fish --no-config -c 'source " + file +
                            "; complete -C \"ddpm train --precision b\"; "
                            "complete -C \"ddpm train --set sampling.sampler=dd\"' > " +
                            (folder_.path() / "answers").string();
    EXPECT_EQ(std::system(ask.c_str()), 0);
    EXPECT_EQ(testing::content_of(folder_.path() / "answers"),
              "bf16\nsampling.sampler=ddim\nsampling.sampler=ddpm\n");
  }
}

TEST_F(Help, EveryConfigOfTheRepositoryIsValid) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(
           std::filesystem::path(DDPM_SOURCE_DIR) / "configs")) {
    if (entry.is_directory()) continue;
    const std::string path = entry.path().string();
    // Those that say nothing of a training describe a network.
    const bool trains =
        path.find("hifi-gan") == std::string::npos && entry.path().filename() != "layer-graph.json";
    // Not every machine has the data.
    const auto result = run_program(
        folder_.path(), trains ? std::vector<std::string>{"config", "check", "--config", path,
                                                          "--set", "data.path="}
                               : std::vector<std::string>{"inspect", "--receptive-field", path});
    EXPECT_EQ(result.code, 0) << path << ": " << result.err;
  }
}

}  // namespace
}  // namespace ddpm
