// How this process was started together with others.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "ddpm/base/world.h"

namespace ddpm {

// What a launcher tells each of the processes that it starts.
struct Launch {
  World world;
  std::string
      launcher;  // "torchrun", "mpirun", "srun", "--ranks", ...; empty: the process is alone
  // Where the processes meet: the address of a c10d::TCPStore.
  std::string host;
  std::uint16_t port = 0;
  bool store_is_hosted = false;  // the launcher hosts it; else rank 0 does
  std::string job;               // tells jobs, and attempts of one job, apart
  std::int64_t restarts = 0;     // how often the launcher has started this job again
};

using Environment = std::map<std::string, std::string, std::less<>>;

// The variables of this process.
Environment process_environment();

// Finds the launcher by its variables, in this order: RANK and WORLD_SIZE (torchrun, --ranks, or set by hand),
// Open MPI's, MPICH's, Slurm's (of a step with several tasks; a batch script alone has some of them too).
// docs/distributed.md lists them. Throws ConfigError if a variable has no sense or one that is needed is missing.
Launch find_launch(const Environment& variables);

// The first host of a list as Slurm writes it: "n[07-09,12]" -> "n07".
std::string first_host(const std::string& list);

// The number of tasks on one node, by a list as Slurm writes it: "4(x2),3" -> 4, 4, 3.
std::int64_t tasks_of_node(const std::string& list, std::int64_t node);

}  // namespace ddpm
