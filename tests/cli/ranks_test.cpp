// Several processes that train together on the CPUs of this machine.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <list>
#include <memory>
#include <regex>
#include <sstream>

#include "ddpm/formats/json.h"
#include "ddpm/formats/safetensors.h"
#include "support/free_port.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::content_of;
using testing::Program;
using testing::ProgramResult;

const std::vector<std::string> kTensorFiles = {"model.safetensors", "ema.safetensors",
                                               "optimizer.safetensors"};

class Ranks : public testing::TinyRun {
 protected:
  // Trains run `name` in `ranks` processes, all of whose settings but the number of micro-batches agree.
  ProgramResult train(const std::string& name, int ranks, std::vector<std::string> settings,
                      std::vector<std::string> options = {}) const {
    settings.push_back("run.name=" + name);
    if (ranks > 1) {
      options.emplace_back("--ranks");
      options.push_back(std::to_string(ranks));
    }
    return run(training(settings, options));
  }
  fs::path checkpoint_of(const std::string& name, int step) const {
    return folder_ / format_text("runs/{}/checkpoints/step_{:08}", name, step);
  }
  void expect_same_bytes(const fs::path& a, const fs::path& b) const {
    for (const std::string& file : kTensorFiles) {
      ASSERT_TRUE(fs::exists(a / file));
      EXPECT_TRUE(content_of(a / file) == content_of(b / file))
          << a << " and " << b << ": " << file;
    }
  }
  static pid_t process_of_rank(const Program& program, int rank) {
    for (const pid_t process : program.children())
      if (contains(content_of(format_text("/proc/{}/environ", process)),
                   std::string("\0RANK=", 6) + std::to_string(rank) + '\0') ||
          content_of(format_text("/proc/{}/environ", process))
              .starts_with(format_text("RANK={}", rank)))
        return process;
    return 0;
  }
  // A run of several processes that would never end.
  std::vector<std::string> endless(int ranks, std::vector<std::string> settings = {}) const {
    settings.emplace_back("training.steps=1000000");
    settings.emplace_back("training.batch_size=12");
    return training(settings, {"--ranks", std::to_string(ranks)});
  }
  bool steps_were_made() const {
    std::error_code missing;
    return fs::file_size(folder_ / "runs/a/metrics.jsonl", missing) > 0 && !missing;
  }
};

// Everything random is drawn, and every sum is rounded, as one process does it.
const std::vector<std::string> kRandomness = {"training.batch_size=12", "training.steps=6",
                                              "model.dropout=0.1", "data.horizontal_flip=true"};

TEST_F(Ranks, EqualTheMicroBatchesOfOneProcessBitForBit) {
  for (const int ranks : {2, 3, 4}) {
    const std::string name = format_text("r{}", ranks), alone = format_text("m{}", ranks);
    const ProgramResult together = train(name, ranks, kRandomness);
    ASSERT_EQ(together.code, 0) << together.err;
    EXPECT_EQ(together.out, "runs/" + name + "\n");
    EXPECT_TRUE(contains(
        together.err,
        format_text("{} processes by --ranks, each with {} images of a batch", ranks, 12 / ranks)))
        << together.err;
    std::vector<std::string> settings = kRandomness;
    settings.push_back(format_text("training.micro_batches={}", ranks));
    ASSERT_EQ(train(alone, 1, settings).code, 0);
    expect_same_bytes(checkpoint_of(name, 6), checkpoint_of(alone, 6));
  }
}

// Sums differ by rounding then.
TEST_F(Ranks, AreNearOneProcessWithTheWholeBatch) {
  std::vector<std::string> settings = kRandomness;
  settings.emplace_back("training.steps=30");
  ASSERT_EQ(train("together", 4, settings).code, 0);
  ASSERT_EQ(train("alone", 1, settings).code, 0);
  const auto loss = [&](const std::string& name) {
    return parse_json(content_of(checkpoint_of(name, 30) / "state.json"), name)
        .at("loss")
        .get<double>();
  };
  EXPECT_NEAR(loss("together") / loss("alone"), 1, 1e-6);
}

TEST_F(Ranks, RunsGoOnWithAnyNumber) {
  std::vector<std::string> settings = kRandomness;
  const std::vector<std::pair<int, int>> parts = {{4, 2}, {2, 3}, {1, 5}, {3, 6}};
  for (const auto& [ranks, steps] : parts) {
    settings.push_back(format_text("training.steps={}", steps));
    const ProgramResult result = train("a", ranks, settings, {"--resume", "auto"});
    ASSERT_EQ(result.code, 0) << result.err;
  }
  ASSERT_EQ(train("straight", 1, kRandomness).code, 0);
  const auto state = [&](const std::string& name) {
    return parse_json(content_of(checkpoint_of(name, 6) / "state.json"), name);
  };
  EXPECT_EQ(state("a").at("images_seen"), state("straight").at("images_seen"));
  EXPECT_EQ(state("a").at("step"), 6);
  EXPECT_NEAR(state("a").at("loss").get<double>() / state("straight").at("loss").get<double>(), 1,
              0.3);
  // The same batch, noise and dropout: after the same six steps the weights agree but for rounding.
  const SafetensorsFile a(checkpoint_of("a", 6) / "model.safetensors"),
      b(checkpoint_of("straight", 6) / "model.safetensors");
  for (const TensorView& view : a.tensors()) {
    const auto* x = reinterpret_cast<const float*>(view.bytes.data());
    const auto* y = reinterpret_cast<const float*>(b.get(view.name).bytes.data());
    for (std::size_t i = 0; i < view.bytes.size() / sizeof(float); ++i)
      ASSERT_NEAR(x[i], y[i], 1e-4) << view.name;
  }
}

TEST_F(Ranks, OneRankIsAnOrdinaryRun) {
  const ProgramResult result = train("a", 1, {}, {"--ranks", "1"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_FALSE(contains(result.err, "processes")) << result.err;
}

TEST_F(Ranks, RefuseABatchThatDoesNotSplit) {
  const ProgramResult result = train("a", 3, {});
  EXPECT_EQ(result.code, 2) << result.err;
  EXPECT_TRUE(contains(result.err, "a batch must split evenly among 3 processes")) << result.err;
  EXPECT_FALSE(trained());
  const std::regex message("a batch must split");
  EXPECT_EQ(std::distance(std::sregex_iterator(result.err.begin(), result.err.end(), message), {}),
            1)
      << result.err;
}

// --- The end -----------------------------------------------------------------------------------------

// Whoever gets the signal, all stop after the same step and return the same code.
TEST_F(Ranks, AStopOfOneStopsAll) {
  for (const auto& [signal, rank, code] :
       {std::tuple{SIGTERM, 1, 143}, {SIGINT, 0, 130}, {SIGHUP, -1, 129}}) {
    Program program(folder_.path(), endless(3));
    program.wait_until([&] { return steps_were_made(); });
    if (rank >= 0)
      ::kill(process_of_rank(program, rank), signal);
    else
      program.send(signal);
    const ProgramResult result = program.wait();
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_TRUE(contains(result.err, "stopped at step")) << result.err;
    EXPECT_FALSE(contains(result.err, "rank ")) << result.err;
    EXPECT_TRUE(fs::exists(checkpoints() / "latest"));
    fs::remove_all(folder_ / "runs");
  }
}

TEST_F(Ranks, ARequestToAnyOfThemSaves) {
  Program program(folder_.path(), endless(2));
  program.wait_until([&] { return steps_were_made(); });
  ::kill(process_of_rank(program, 1), SIGUSR1);
  program.wait_until([&] { return fs::exists(checkpoints() / "latest"); });
  EXPECT_TRUE(fs::exists(checkpoints() / "latest"));
  program.send(SIGTERM);
  EXPECT_EQ(program.wait().code, 143);
}

TEST_F(Ranks, TheTimeLimitEndsAllCleanly) {
  const ProgramResult result =
      run(training({"training.steps=1000000"}, {"--ranks", "2", "--max-minutes", "0.05"}));
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "the time is up")) << result.err;
  EXPECT_TRUE(fs::exists(checkpoints() / "latest"));
}

// --- Failures ----------------------------------------------------------------------------------------

class DyingRank : public Ranks, public ::testing::WithParamInterface<int> {};

TEST_P(DyingRank, EndsTheOthersAndIsNamed) {
  Program program(folder_.path(), endless(3, {"training.checkpoint_every=20"}));
  program.wait_until([&] { return steps_were_made(); });
  const pid_t victim = process_of_rank(program, GetParam());
  ASSERT_GT(victim, 0);
  const std::vector<pid_t> all = program.children();
  const auto begun = std::chrono::steady_clock::now();
  ::kill(victim, SIGKILL);
  const ProgramResult result = program.wait();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(30));
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_TRUE(contains(result.err, format_text("rank {} on ", GetParam()))) << result.err;
  EXPECT_TRUE(contains(result.err, format_text("(process {}): was killed by signal 9", victim)))
      << result.err;
  EXPECT_FALSE(contains(result.err, "frame #")) << result.err;
  for (const pid_t process : all)
    EXPECT_NE(::kill(process, 0), 0) << "process " << process << " goes on";
}

INSTANTIATE_TEST_SUITE_P(, DyingRank, ::testing::Values(0, 2));

// The others of a job wait for a rank in different ways: to come, in a sum, while rank 0 draws or saves.
TEST_F(Ranks, ADeathIsNoticedInEveryPhase) {
  const auto writing = [this] {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(checkpoints(), error))
      if (entry.path().filename().string().starts_with(".writing_")) return true;
    return false;
  };
  struct Phase {
    const char* name;
    std::vector<std::string> settings;
    std::function<bool(const Program&)> reached;
  };
  const std::vector<Phase> phases = {
      {"start", {}, [](const Program&) { return true; }},
      {"preview",
       {"training.sample_every=1", "diffusion.timesteps=100000", "training.sample_steps=100000"},
       [this](const Program&) { return steps_were_made(); }},
      {"save", {"training.checkpoint_every=1"}, [&](const Program&) { return writing(); }}};
  for (const Phase& phase : phases) {
    Program program(folder_.path(), endless(2, phase.settings));
    program.wait_until([&] { return program.children().size() == 2 && phase.reached(program); });
    const std::vector<pid_t> all = program.children();
    ASSERT_EQ(all.size(), 2) << phase.name;
    ::kill(all.back(), SIGKILL);
    const ProgramResult result = program.wait();
    EXPECT_EQ(result.code, 1) << phase.name << ": " << result.err;
    EXPECT_TRUE(contains(result.err, "was killed by signal 9")) << phase.name << ": " << result.err;
    for (const pid_t process : all) EXPECT_NE(::kill(process, 0), 0) << phase.name;
    fs::remove_all(folder_ / "runs");
  }
}

// Rank 0 notices it, and all return its code.
TEST_F(Ranks, DivergenceEndsAllWithItsCode) {
  const ProgramResult result =
      train("a", 2,
            {"training.steps=100", "training.learning_rate=10", "training.clip_norm=0",
             "training.optimizer=adamw", "training.weight_decay=10"});
  EXPECT_EQ(result.code, 5) << result.err;
  EXPECT_TRUE(contains(result.err, "the gradient is not finite")) << result.err;
  EXPECT_FALSE(contains(result.err, "rank 1")) << result.err;
}

// A process that is stopped is dead for the others, and the system ends it when its launcher has.
TEST_F(Ranks, AStoppedRankIsNoticed) {
  Program program(folder_.path(), endless(2), {.variables = {"DDPM_PEER_SECONDS=3"}});
  program.wait_until([&] { return steps_were_made(); });
  const pid_t victim = process_of_rank(program, 1);
  ::kill(victim, SIGSTOP);
  program.wait_until([&] { return contains(program.err(), "sign of life"); });
  ::kill(victim, SIGKILL);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_TRUE(std::regex_search(
      result.err, std::regex("rank 1 on .* \\(process " + std::to_string(victim) +
                             "\\): has given no sign of life for [0-9]+ s, since step [0-9]+")))
      << result.err;
}

// So does a host of the store that was cut off, to which connections stay open.
TEST_F(Ranks, AStoreThatDoesNotAnswerIsNoticed) {
  Program program(folder_.path(), endless(2), {.variables = {"DDPM_PEER_SECONDS=3"}});
  program.wait_until([&] { return steps_were_made(); });
  program.send(SIGSTOP);
  program.wait_until([&] { return contains(program.err(), "has not answered for"); });
  program.send(SIGCONT);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_TRUE(contains(result.err, "the process at which all meet has not answered for"))
      << result.err;
}

TEST_F(Ranks, EndWhenTheirLauncherIsKilled) {
  Program program(folder_.path(), endless(2));
  program.wait_until([&] { return steps_were_made(); });
  const std::vector<pid_t> all = program.children();
  ASSERT_EQ(all.size(), 2);
  program.send(SIGKILL);
  program.wait();
  for (int i = 0; i < 1000; ++i) {
    if (::kill(all[0], 0) != 0 && ::kill(all[1], 0) != 0) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  for (const pid_t process : all)
    EXPECT_NE(::kill(process, 0), 0) << "process " << process << " goes on";
}

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
  EXPECT_TRUE(fs::exists(checkpoint(2)));
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

// --- Sampling ----------------------------------------------------------------------------------------

class SharedSampling : public Ranks {
 protected:
  void SetUp() override { ASSERT_EQ(TinyRun::train().code, 0); }
  ProgramResult sample(int ranks, const std::string& output,
                       std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {
        "sample",  "--model", "runs/a",   "--count", "7",       "--batch-size",        "2",
        "--steps", "4",       "--output", output,    "--ranks", std::to_string(ranks), "--threads",
        "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
};

// Seven images are four batches, the last of one image. With other numbers of threads, sums would be rounded in other
// orders.
TEST_F(SharedSampling, EveryFormatHasTheSameBytes) {
  for (const auto& [name, more] : std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"a.npz", {}}, {"b.png", {}}, {"c.safetensors", {"--trajectory"}}, {"d.apng", {}}}) {
    ASSERT_EQ(sample(1, "one_" + name, more).code, 0);
    for (const int ranks : {2, 3}) {
      const std::string file = format_text("{}_{}", ranks, name);
      const ProgramResult result = sample(ranks, file, more);
      ASSERT_EQ(result.code, 0) << result.err;
      EXPECT_EQ(result.out, file + "\n");
      EXPECT_TRUE(content_of(folder_ / file) == content_of(folder_ / ("one_" + name))) << file;
    }
  }
}

TEST_F(SharedSampling, SingleImagesAreWrittenOnce) {
  ASSERT_EQ(sample(1, "one").code, 0);
  const ProgramResult result = sample(3, "three");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 7);
  for (int i = 0; i < 7; ++i) {
    const std::string name = format_text("{:06}.png", i);
    EXPECT_TRUE(content_of(folder_ / "one" / name) == content_of(folder_ / "three" / name)) << name;
  }
  const ProgramResult again = sample(2, "three");
  EXPECT_EQ(again.code, 2);
  EXPECT_TRUE(contains(again.err, "exists already")) << again.err;
}

TEST_F(SharedSampling, ASignalToOneStopsAll) {
  Program program(folder_.path(),
                  {"sample", "--model", "runs/a", "--count", "100000", "--batch-size", "1",
                   "--ranks", "2", "--output", "many.npz", "--progress", "json"});
  program.wait_until(
      [&] { return std::regex_search(program.err(), std::regex(R"("done":[1-9])")); });
  ::kill(process_of_rank(program, 1), SIGTERM);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 143) << result.err;
  EXPECT_TRUE(contains(result.err, "of 100000 images written")) << result.err;
  EXPECT_TRUE(fs::exists(folder_ / "many.npz"));
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
