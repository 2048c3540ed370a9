// Several processes that train together: what they compute, and how they end.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <regex>

#include "ddpm/formats/json.h"
#include "ddpm/formats/safetensors.h"
#include "support/ranks.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::content_of;
using testing::Program;
using testing::ProgramResult;
using testing::Ranks;

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

}  // namespace
}  // namespace ddpm
