#include "ddpm/distributed/launch.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::message_of;

// What launchers set, as recorded from torchrun 2.11, Open MPI 4.1.4, MPICH 4.0 and Slurm 22.05.
Environment torchrun(const char* rank, const char* local_rank) {
  return {{"RANK", rank},
          {"WORLD_SIZE", "4"},
          {"LOCAL_RANK", local_rank},
          {"LOCAL_WORLD_SIZE", "2"},
          {"GROUP_RANK", "1"},
          {"MASTER_ADDR", "n7"},
          {"MASTER_PORT", "29400"},
          {"OMP_NUM_THREADS", "1"},
          {"TORCHELASTIC_RUN_ID", "none"},
          {"TORCHELASTIC_RESTART_COUNT", "2"},
          {"TORCHELASTIC_USE_AGENT_STORE", "True"}};
}

Environment open_mpi() {
  return {{"OMPI_COMM_WORLD_RANK", "2"},
          {"OMPI_COMM_WORLD_SIZE", "3"},
          {"OMPI_COMM_WORLD_LOCAL_RANK", "2"},
          {"OMPI_COMM_WORLD_LOCAL_SIZE", "3"},
          {"OMPI_MCA_orte_hnp_uri", "2752512000.0;tcp://10.0.0.3:41193"},
          {"PMIX_RANK", "2"}};
}

Environment mpich() {
  return {{"PMI_RANK", "1"}, {"PMI_SIZE", "3"}, {"MPI_LOCALRANKID", "1"}, {"MPI_LOCALNRANKS", "3"}};
}

Environment slurm_job() {  // a batch script, whose processes are no step
  return {{"SLURM_JOB_ID", "10117"},
          {"SLURM_PROCID", "0"},
          {"SLURM_NTASKS", "8"},
          {"SLURM_LOCALID", "0"}};
}

Environment slurm_step() {
  Environment variables = slurm_job();
  variables["SLURM_STEP_ID"] = "2";
  variables["SLURM_STEP_NUM_TASKS"] = "8";
  variables["SLURM_STEP_TASKS_PER_NODE"] = "3(x2),2";
  variables["SLURM_STEP_NODELIST"] = "gpu[007-009]";
  variables["SLURM_NODEID"] = "2";
  variables["SLURM_PROCID"] = "7";
  variables["SLURM_LOCALID"] = "1";
  return variables;
}

void expect_world(const World& world, const World& expected) {
  EXPECT_EQ(world.rank, expected.rank);
  EXPECT_EQ(world.size, expected.size);
  EXPECT_EQ(world.local_rank, expected.local_rank);
  EXPECT_EQ(world.local_size, expected.local_size);
}

TEST(FindLaunch, WithoutALauncherAProcessIsAlone) {
  const Launch launch = find_launch({{"HOME", "/root"}});
  expect_world(launch.world, {});
  EXPECT_EQ(launch.launcher, "");
  expect_world(find_launch({{"WORLD_SIZE", "4"}}).world, {});  // of something else
}

TEST(FindLaunch, UnderstandsTorchrun) {
  const Launch launch = find_launch(torchrun("3", "1"));
  expect_world(launch.world, {.rank = 3, .size = 4, .local_rank = 1, .local_size = 2});
  EXPECT_EQ(launch.launcher, "torchrun");
  EXPECT_EQ(launch.host, "n7");
  EXPECT_EQ(launch.port, 29400);
  EXPECT_TRUE(launch.store_is_hosted);
  EXPECT_EQ(launch.restarts, 2);
}

// The keys of an earlier attempt are still in torchrun's store.
TEST(FindLaunch, TellsAttemptsApart) {
  Environment variables = torchrun("3", "1");
  const std::string second = find_launch(variables).job;
  variables["TORCHELASTIC_RESTART_COUNT"] = "3";
  EXPECT_NE(find_launch(variables).job, second);
}

TEST(FindLaunch, UnderstandsVariablesSetByHand) {
  Environment variables = {{"RANK", "1"}, {"WORLD_SIZE", "2"}};
  EXPECT_TRUE(
      contains(message_of<ConfigError>([&] { find_launch(variables); }), "set MASTER_PORT"));
  variables["MASTER_PORT"] = "5000";
  const Launch launch = find_launch(variables);
  expect_world(launch.world, {.rank = 1, .size = 2, .local_rank = 1, .local_size = 2});
  EXPECT_EQ(launch.host, "127.0.0.1");
  EXPECT_FALSE(launch.store_is_hosted);
  variables["LOCAL_RANK"] = "0";
  variables["LOCAL_WORLD_SIZE"] = "1";
  EXPECT_TRUE(
      contains(message_of<ConfigError>([&] { find_launch(variables); }), "set MASTER_ADDR"));
}

TEST(FindLaunch, UnderstandsOpenMpi) {
  const Launch launch = find_launch(open_mpi());
  expect_world(launch.world, {.rank = 2, .size = 3, .local_rank = 2, .local_size = 3});
  EXPECT_EQ(launch.launcher, "mpirun");
  EXPECT_EQ(launch.host, "127.0.0.1");
  EXPECT_EQ(launch.port, 61440 + 672000 % 4096);  // 2752512000 / 4096 = 672000
}

TEST(FindLaunch, AsksForTheHostOfRank0UnderMpirunOnSeveralHosts) {
  Environment variables = open_mpi();
  variables["OMPI_COMM_WORLD_LOCAL_SIZE"] = "2";
  variables["OMPI_COMM_WORLD_LOCAL_RANK"] = "0";
  EXPECT_TRUE(contains(message_of<ConfigError>([&] { find_launch(variables); }),
                       "mpirun -x MASTER_ADDR=HOST"));
  variables["MASTER_ADDR"] = "n1";
  EXPECT_EQ(find_launch(variables).host, "n1");
}

TEST(FindLaunch, UnderstandsMpich) {
  Environment variables = mpich();
  EXPECT_TRUE(
      contains(message_of<ConfigError>([&] { find_launch(variables); }), "set MASTER_PORT"));
  variables["MASTER_PORT"] = "29501";
  expect_world(find_launch(variables).world,
               {.rank = 1, .size = 3, .local_rank = 1, .local_size = 3});
}

TEST(FindLaunch, UnderstandsStepsOfSlurm) {
  const Launch launch = find_launch(slurm_step());
  expect_world(launch.world, {.rank = 7, .size = 8, .local_rank = 1, .local_size = 2});
  EXPECT_EQ(launch.host, "gpu007");
  EXPECT_EQ(launch.port, 61440 + 10119 % 4096);
  EXPECT_EQ(launch.launcher, "srun");
}

TEST(FindLaunch, ABatchScriptOfSlurmIsNoStep) {
  expect_world(find_launch(slurm_job()).world, {});
  // Each process of an mpirun in a job has SLURM_PROCID=0.
  Environment variables = slurm_job();
  variables.merge(open_mpi());
  EXPECT_EQ(find_launch(variables).world.rank, 2);
}

TEST(FindLaunch, RefusesNonsense) {
  EXPECT_EQ(message_of<ConfigError>([] {
              find_launch({{"RANK", "2"}, {"WORLD_SIZE", "2"}});
            }),
            "the variable RANK is '2', but must be a number from 0 to 1");
  EXPECT_THROW(find_launch({{"RANK", "x"}, {"WORLD_SIZE", "2"}}), ConfigError);
  EXPECT_THROW(find_launch({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_PORT", "70000"}}),
               ConfigError);
}

TEST(SlurmLists, NameTheFirstHost) {
  for (const auto& [list, first] : {std::pair{"n7", "n7"},
                                    {"n7,n8", "n7"},
                                    {"n[07-09,12]", "n07"},
                                    {"n[3,5]-ib", "n3-ib"},
                                    {"a,n[3-5]", "a"},
                                    {"n[2-3],m1", "n2"}})
    EXPECT_EQ(first_host(list), first) << list;
}

TEST(SlurmLists, CountTheTasksOfANode) {
  EXPECT_EQ(tasks_of_node("4", 0), 4);
  EXPECT_EQ(tasks_of_node("4(x2),3", 1), 4);
  EXPECT_EQ(tasks_of_node("4(x2),3", 2), 3);
  EXPECT_EQ(tasks_of_node("3,4(x2)", 2), 4);
}

}  // namespace
}  // namespace ddpm
