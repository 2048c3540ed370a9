#include "ddpm/base/machine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <thread>

#include "support/files.h"
#include "support/one_core.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;

constexpr double kMiB = 1 << 20;

// The files of a made-up machine with 8000 MiB, of which 6000 can be used, in a folder of their own.
class MachineTest : public ::testing::Test {
 protected:
  MachineTest() { memory("MemTotal: 8192000 kB\nMemFree: 1024 kB\nMemAvailable: 6144000 kB\n"); }

  void memory(const std::string& content) { folder_.write("proc/meminfo", content); }
  // The process is in `group` of version 2, whose groups from `visible` on are at /sys/fs/cgroup.
  void version_two(const std::string& group, const std::string& visible = "/") {
    folder_.write("proc/self/cgroup", "0::" + group + "\n");
    folder_.write("proc/self/mountinfo",
                  "24 30 0:23 / /proc rw,nosuid shared:12 - proc proc rw\n"
                  "35 24 0:30 " +
                      visible +
                      " /sys/fs/cgroup rw,nosuid shared:9 master:4 - cgroup2 "
                      "cgroup2 rw,nsdelegate\n");
  }
  void version_one(const std::string& group, const std::string& visible = "/") {
    folder_.write("proc/self/cgroup", "11:cpuset:/\n4:cpu,cpuacct:" + group +
                                          "\n3:memory:" + group + "\n1:name=systemd:/init\n0::/\n");
    folder_.write("proc/self/mountinfo",
                  "33 31 0:29 " + visible +
                      " /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup "
                      "rw,cpu,cpuacct\n"
                      "34 31 0:30 " +
                      visible +
                      " /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                      "35 31 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  }
  void set(const std::string& file, const std::string& content) {
    folder_.write("sys/fs/cgroup/" + file, content + "\n");
  }
  std::optional<int> cores() const { return core_quota(folder_.path()); }
  UsableMemory usable() const { return usable_memory(folder_.path()); }
  void expect_memory(double free_mib, double total_mib, const std::string& whose) const {
    const UsableMemory memory = usable();
    EXPECT_DOUBLE_EQ(memory.free / kMiB, free_mib);
    EXPECT_DOUBLE_EQ(memory.total / kMiB, total_mib);
    EXPECT_TRUE(testing::contains(memory.whose, whose)) << memory.whose;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(MachineTest, WithoutGroupsThereIsNoQuota) {
  EXPECT_EQ(cores(), std::nullopt);
  version_two("/");
  EXPECT_EQ(cores(), std::nullopt);
  version_one("/");
  EXPECT_EQ(cores(), std::nullopt);
}

TEST_F(MachineTest, QuotasOfVersionTwoAreRoundedUp) {
  version_two("/job");
  for (const auto& [content, expected] : {std::pair{"150000 100000", 2},
                                          {"200000 100000", 2},
                                          {"10000 100000", 1},
                                          {"1600000 50000", 32},
                                          {"100001 100000", 2}}) {
    set("job/cpu.max", content);
    EXPECT_EQ(cores(), expected) << content;
  }
  for (const char* none : {"max 100000", "", "nonsense", "-1 100000", "100000 0", "100000"}) {
    set("job/cpu.max", none);
    EXPECT_EQ(cores(), std::nullopt) << none;
  }
}

TEST_F(MachineTest, QuotasOfVersionOneAreRoundedUp) {
  version_one("/docker/abc");
  set("cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000");
  set("cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "250000");
  EXPECT_EQ(cores(), 3);
  set("cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "-1");
  EXPECT_EQ(cores(), std::nullopt);
}

TEST_F(MachineTest, TheSmallestQuotaOfAllGroupsAroundCounts) {
  version_two("/a/b/c");
  set("a/b/c/cpu.max", "800000 100000");
  set("a/b/cpu.max", "max 100000");
  set("a/cpu.max", "300000 100000");
  set("other/cpu.max", "100000 100000");
  EXPECT_EQ(cores(), 3);
  set("a/b/c/cpu.max", "200000 100000");
  EXPECT_EQ(cores(), 2);
}

// In a container the mount shows its own group as the topmost, and the name of the group may be the
// one outside.
TEST_F(MachineTest, AContainerSeesItsGroupAtTheMountPoint) {
  for (const auto& [group, visible] : {std::pair{"/", "/"},
                                       {"/docker/abc", "/docker/abc"},
                                       {"/docker/abc", "/"},
                                       {"/../../job", "/"},
                                       {"/job", "/docker/abc"},
                                       {"/docker/abcdef", "/docker/abc"}}) {
    version_two(group, visible);
    set("cpu.max", "400000 100000");
    set("memory.max", "1048576000");
    EXPECT_EQ(cores(), 4) << group;
    EXPECT_DOUBLE_EQ(usable().total, 1048576000) << group;
    version_one(group, visible);
    set("cpu,cpuacct/cpu.cfs_period_us", "100000");
    set("cpu,cpuacct/cpu.cfs_quota_us", "500000");
    EXPECT_EQ(cores(), 5) << group;
  }
}

TEST_F(MachineTest, AGroupInsideTheVisibleOnesIsFound) {
  version_two("/docker/abc/inner", "/docker/abc");
  set("inner/cpu.max", "200000 100000");
  set("cpu.max", "400000 100000");
  EXPECT_EQ(cores(), 2);
}

TEST_F(MachineTest, MountPointsMayHaveSpaces) {
  folder_.write("proc/self/cgroup", "0::/a b\n");
  folder_.write("proc/self/mountinfo", R"(35 24 0:30 / /c\040d rw - cgroup2 none rw)"
                                       "\n");
  folder_.write("c d/a b/cpu.max", "300000 100000\n");
  EXPECT_EQ(cores(), 3);
}

TEST_F(MachineTest, MemoryOfTheMachineIsWhatIsAvailable) {
  expect_memory(6000, 8000, "of this machine");
  memory(
      "MemTotal: 8192000 kB\nMemAvailable: 6144000 kB\nSwapTotal: 2048000 kB\n"
      "SwapFree: 1024000 kB\n");
  expect_memory(7000, 10000, "of this machine (with swap space)");
  fs::remove(folder_ / "proc/meminfo");
  EXPECT_TRUE(std::isinf(usable().free));
}

TEST_F(MachineTest, MemoryOfAGroupDoesNotCountPagesOfFiles) {
  version_two("/job");
  set("job/memory.max", std::to_string(std::int64_t{2000} << 20));
  set("job/memory.current", std::to_string(std::int64_t{1500} << 20));
  expect_memory(500, 2000, "container");
  set("job/memory.stat", "anon 1\nfile 734003200\ninactive_file 209715200\nactive_file 104857600");
  expect_memory(800, 2000, "container");
  version_one("/job");
  set("memory/job/memory.limit_in_bytes", std::to_string(std::int64_t{3000} << 20));
  set("memory/job/memory.usage_in_bytes", std::to_string(std::int64_t{1000} << 20));
  set("memory/job/memory.stat",
      "inactive_file 1\nactive_file 2\ntotal_inactive_file 104857600\ntotal_active_file 209715200");
  expect_memory(2300, 3000, "container");
}

TEST_F(MachineTest, TheLimitThatLeavesTheLeastCounts) {
  version_two("/a/b");
  set("a/b/memory.max", std::to_string(std::int64_t{4000} << 20));
  set("a/b/memory.current", std::to_string(std::int64_t{100} << 20));
  set("a/memory.max", std::to_string(std::int64_t{5000} << 20));
  set("a/memory.current", std::to_string(std::int64_t{4900} << 20));
  expect_memory(100, 5000, "container");
  set("a/memory.current", "0");
  expect_memory(3900, 4000, "container");
  set("a/b/memory.high", std::to_string(std::int64_t{1000} << 20));
  expect_memory(900, 1000, "container");
  memory("MemTotal: 8192000 kB\nMemAvailable: 102400 kB\n");
  expect_memory(100, 8000, "of this machine");
}

TEST_F(MachineTest, GroupsWithoutLimitsAndFullOnesAreUnderstood) {
  version_two("/job");
  set("job/memory.max", "max");
  set("job/memory.high", "max");
  expect_memory(6000, 8000, "of this machine");
  set("job/memory.max", std::to_string(std::int64_t{100} << 20));
  set("job/memory.current", std::to_string(std::int64_t{101} << 20));
  expect_memory(0, 100, "container");
  version_one("/job");
  set("memory/job/memory.limit_in_bytes", "9223372036854771712");  // no limit
  set("memory/job/memory.usage_in_bytes", "1");
  expect_memory(6000, 8000, "of this machine");
}

TEST_F(MachineTest, BrokenFilesOfTheSystemAreNoLimit) {
  for (const char* text :
       {"", "\n", "0::", ":::", "0", "35 24 0:30 / /sys - cgroup2\n", "- - - -"}) {
    folder_.write("proc/self/cgroup", text);
    folder_.write("proc/self/mountinfo", text);
    EXPECT_EQ(cores(), std::nullopt) << text;
    expect_memory(6000, 8000, "of this machine");
  }
}

TEST(Machine, ThisOneHasCoresAndMemory) {
  EXPECT_GE(usable_cores(), 1);
  EXPECT_LE(usable_cores(), static_cast<int>(std::max(std::thread::hardware_concurrency(), 1u)));
  const UsableMemory memory = usable_memory();
  EXPECT_GT(memory.free, 0);
  EXPECT_LE(memory.free, memory.total);
}

TEST(Machine, AThreadThatIsBoundToOneCoreUsesOne) {
  int cores = 0;
  std::thread([&] {
    testing::bind_to_one_core();
    cores = usable_cores();
  }).join();
  EXPECT_EQ(cores, 1);
}

}  // namespace
}  // namespace ddpm
