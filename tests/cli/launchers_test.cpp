// How several processes meet: started by hand, and by the launchers that are installed.
#include <gtest/gtest.h>

#include <cstdlib>
#include <list>
#include <memory>
#include <regex>
#include <sstream>

#include "support/free_port.h"
#include "support/ranks.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::content_of;
using testing::Program;
using testing::ProgramResult;
using testing::Ranks;

// --- The start, by hand ------------------------------------------------------------------------------

class ByHand : public Ranks {
 protected:
  // A process with the variables that a launcher would set.
  std::unique_ptr<Program> start(int rank, int size,
                                 const std::vector<std::string>& settings = {}) {
    const std::string name = format_text("rank{}.{}", rank, ++started_);
    names_.push_back(name);
    return std::make_unique<Program>(
        folder_.path(), training(settings),
        testing::Limits{
            .out = names_.back().c_str(),
            .variables = {format_text("RANK={}", rank), format_text("WORLD_SIZE={}", size),
                          format_text("MASTER_PORT={}", port_), "DDPM_RENDEZVOUS_SECONDS=4"},
            .err = errors_.emplace_back(name + ".err").c_str()});
  }

  std::uint16_t port_ = testing::free_port();
  int started_ = 0;
  std::list<std::string> names_, errors_;
};

TEST_F(ByHand, TwoProcessesTrain) {
  const auto first = start(0, 2), second = start(1, 2);
  const ProgramResult a = first->wait(), b = second->wait();
  EXPECT_EQ(a.code, 0) << a.err;
  EXPECT_EQ(b.code, 0) << b.err;
  EXPECT_EQ(b.err, "");
  EXPECT_TRUE(std::filesystem::exists(checkpoint(2)));
}

TEST_F(ByHand, AMissingRankIsNamed) {
  const auto first = start(0, 3), second = start(1, 3);
  const ProgramResult a = first->wait(), b = second->wait();
  EXPECT_EQ(a.code, 1);
  EXPECT_EQ(b.code, 1);
  EXPECT_TRUE(contains(a.err, "1 process of 3 did not come within 4 s: rank 2 is missing"))
      << a.err;
  EXPECT_FALSE(trained());
}

TEST_F(ByHand, NobodyAtTheAddressIsSaid) {
  const ProgramResult result = start(1, 2)->wait();
  EXPECT_EQ(result.code, 1);
  EXPECT_TRUE(contains(result.err, format_text("nobody answers at 127.0.0.1:{}", port_)))
      << result.err;
}

TEST_F(ByHand, ATakenPortIsSaid) {
  const auto first = start(0, 2);
  first->wait_until([&] { return testing::is_taken(port_); });
  const ProgramResult result = start(0, 2)->wait();
  EXPECT_EQ(result.code, 1);
  EXPECT_TRUE(contains(result.err, format_text("port {} of this host is taken", port_)))
      << result.err;
  first->wait();
}

TEST_F(ByHand, ARankThatComesTwiceIsSaid) {
  const std::vector<std::string> long_enough = {"training.steps=300", "training.log_every=300"};
  const auto first = start(0, 2, long_enough), second = start(1, 2, long_enough);
  first->wait_until([&] { return contains(first->err(), "device:"); });
  const ProgramResult result = start(1, 2, long_enough)->wait();
  EXPECT_EQ(result.code, 1);
  EXPECT_TRUE(
      std::regex_search(result.err, std::regex("was told the rank that rank 1 on .* has already")))
      << result.err;
  EXPECT_EQ(first->wait().code, 0);
  EXPECT_EQ(second->wait().code, 0);
}

TEST_F(ByHand, ASecondLauncherIsRefused) {
  const ProgramResult result =
      testing::run_program(folder_.path(), training({}, {"--ranks", "2"}),
                           {.variables = {"RANK=0", "WORLD_SIZE=2", "MASTER_PORT=29500"}});
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(
      contains(result.err, "--ranks: 2 processes were started already, by RANK and WORLD_SIZE"))
      << result.err;
}

TEST_F(ByHand, DifferentWorldsAreSaid) {
  const auto first = start(0, 2), second = start(1, 3);
  const ProgramResult a = first->wait(), b = second->wait();
  EXPECT_EQ(a.code, 1) << a.err;
  EXPECT_EQ(b.code, 1) << b.err;
  EXPECT_TRUE(contains(a.err + b.err, "was told that there are 3 processes")) << a.err << b.err;
}

TEST_F(ByHand, DifferentConfigsAreSaid) {
  const auto first = start(0, 2), second = start(1, 2, {"training.learning_rate=0.5"});
  const ProgramResult a = first->wait(), b = second->wait();
  EXPECT_EQ(a.code, 2) << a.err;
  EXPECT_EQ(b.code, 2) << b.err;
  EXPECT_TRUE(
      contains(b.err, "differs from rank 0: training.learning_rate is 0.5, but 0.0002 there"))
      << b.err;
  EXPECT_FALSE(trained());
}

// --- Launchers ---------------------------------------------------------------------------------------

// The first of these programs that is installed, by name in PATH; empty if none is.
std::string find_program(const std::string& name) {
  std::istringstream path(::getenv("PATH") != nullptr ? ::getenv("PATH") : "");
  for (std::string folder; std::getline(path, folder, ':');)
    if (::access((folder + "/" + name).c_str(), X_OK) == 0) return folder + "/" + name;
  return "";
}

class Launchers : public Ranks {
 protected:
  // Runs `launcher options ddpm train ...` by a shell.
  ProgramResult launch(const std::string& launcher,
                       const std::vector<std::string>& settings) const {
    std::string command = launcher + " " + DDPM_BINARY;
    for (const std::string& argument : training(settings)) command += " '" + argument + "'";
    const std::string streams = " >launched.out 2>launched.err";
    const int status =
        std::system(("cd '" + folder_.path().string() + "' || exit; " + command + streams).c_str());
    return {.code = WEXITSTATUS(status),
            .out = content_of(folder_ / "launched.out"),
            .err = content_of(folder_ / "launched.err")};
  }
};

TEST_F(Launchers, TorchrunStartsAgainAfterADeath) {
  const std::string torchrun = find_program("torchrun");
  if (torchrun.empty()) GTEST_SKIP() << "torchrun is not installed";
  ASSERT_EQ(train("straight", 2, {"training.steps=40", "training.batch_size=12"}).code, 0);
  // A process kills rank 1 once there is a checkpoint.
  const std::string killer =
      "(while ! [ -e runs/a/checkpoints/step_00000010/MANIFEST.json ]; do sleep 0.05; done; "
      "kill -9 $(grep -lz '^RANK=1$' /proc/[0-9]*/environ 2>/dev/null | cut -d / -f 3 | while read -r p; do "
      "[ \"$(readlink /proc/$p/cwd)\" = \"$PWD\" ] && [ \"$(cat /proc/$p/comm)\" = ddpm ] && echo $p; done)) & ";
  const ProgramResult result =
      launch(killer + torchrun + " --standalone --nproc-per-node 2 --max-restarts 1 --no-python",
             {"training.steps=40", "training.batch_size=12", "training.checkpoint_every=10",
              "training.sample_every=0"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "resumed from")) << result.err;
  expect_same_bytes(checkpoint_of("a", 40), checkpoint_of("straight", 40));
}

TEST_F(Launchers, MpirunWorks) {
  const std::string mpirun = find_program("mpirun");
  if (mpirun.empty()) GTEST_SKIP() << "mpirun is not installed";
  const ProgramResult result =
      launch(mpirun + " -n 2 --oversubscribe --allow-run-as-root", {"training.steps=3"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "2 processes by mpirun")) << result.err;
}

TEST_F(Launchers, SrunWorks) {
  if (find_program("srun").empty()) GTEST_SKIP() << "srun is not installed";
  if (std::system("sinfo >/dev/null 2>&1") != 0) GTEST_SKIP() << "no Slurm answers here";
  const ProgramResult result = launch("srun -n 2", {"training.steps=3"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "2 processes by srun")) << result.err;
}

}  // namespace
}  // namespace ddpm
