#include "ddpm/distributed/launch.h"

#include <unistd.h>

#include <charconv>
#include <optional>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"

namespace ddpm {
namespace {

// Ports for jobs whose launcher names none: above those that Linux uses for outgoing connections.
constexpr std::int64_t kFirstPort = 61440, kPorts = 4096;

std::optional<std::int64_t> parse_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class Variables {
 public:
  explicit Variables(const Environment& variables) : variables_(variables) {}

  bool has(std::string_view name) const { return !text(name).empty(); }
  std::string text(std::string_view name, const std::string& otherwise = "") const {
    const auto found = variables_.find(name);
    return found == variables_.end() || found->second.empty() ? otherwise : found->second;
  }
  // The number in [least, most] that the variable holds.
  std::int64_t number(std::string_view name, std::int64_t otherwise, std::int64_t least,
                      std::int64_t most) const {
    if (!has(name)) return otherwise;
    const std::optional<std::int64_t> value = parse_number(text(name));
    if (!value || *value < least || *value > most)
      throw ConfigError(format_text("the variable {} is '{}', but must be a number from {} to {}",
                                    name, shorten(text(name)), least, most));
    return *value;
  }
  World world(std::string_view rank, std::string_view size, std::string_view local_rank,
              std::string_view local_size) const {
    constexpr std::int64_t kMost = 1 << 20;
    World world;
    world.size = number(size, 1, 1, kMost);
    world.rank = number(rank, 0, 0, world.size - 1);
    world.local_size = number(local_size, world.size, 1, world.size);
    world.local_rank = number(local_rank, world.rank, 0, world.local_size - 1);
    return world;
  }

 private:
  const Environment& variables_;
};

std::uint16_t port_for(std::int64_t number) {
  return static_cast<std::uint16_t>(kFirstPort + number % kPorts);
}

// What every launcher may be told by hand.
void set_address(const Variables& variables, const std::string& host,
                 std::optional<std::uint16_t> port, const std::string& advice, Launch& launch) {
  const World& world = launch.world;
  const std::string near = world.local_size == world.size ? "127.0.0.1" : host;
  launch.host = variables.text("MASTER_ADDR", near);
  if (launch.host.empty())
    throw ConfigError(format_text(
        "{} processes on several hosts do not know where to meet: set MASTER_ADDR to the host of rank 0{}",
        world.size, advice));
  if (!variables.has("MASTER_PORT") && !port)
    throw ConfigError(format_text(
        "{} processes do not know where to meet: set MASTER_PORT to a free port of the host of rank 0{}",
        world.size, advice));
  launch.port =
      static_cast<std::uint16_t>(variables.number("MASTER_PORT", port.value_or(0), 1, 65535));
}

Launch by_variables(const Variables& variables) {
  Launch launch;
  launch.world = variables.world("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE");
  const bool torchrun = variables.has("TORCHELASTIC_RUN_ID");
  launch.launcher = variables.text("DDPM_LAUNCHER", torchrun ? "torchrun" : "RANK and WORLD_SIZE");
  launch.store_is_hosted = variables.text("TORCHELASTIC_USE_AGENT_STORE") == "True";
  launch.restarts = variables.number("TORCHELASTIC_RESTART_COUNT", 0, 0, 1'000'000);
  launch.job = format_text("{}/{}", variables.text("TORCHELASTIC_RUN_ID"), launch.restarts);
  if (launch.world.size > 1) set_address(variables, "", std::nullopt, "", launch);
  return launch;
}

// Open MPI 4 names its job by "JOB.0;tcp://...", whose lower bits are always zero; version 5, by a name.
std::optional<std::uint16_t> open_mpi_port(const Variables& variables) {
  const std::string uri = variables.text("OMPI_MCA_orte_hnp_uri");
  if (const auto job = parse_number(uri.substr(0, uri.find('.')))) return port_for(*job / 4096);
  const std::string name = variables.text("PMIX_NAMESPACE");
  if (name.empty()) return std::nullopt;
  std::int64_t hash = 0;
  for (const char letter : name)
    hash = (31 * hash + static_cast<unsigned char>(letter)) % 1'000'000'007;
  return port_for(hash);
}

Launch by_open_mpi(const Variables& variables) {
  Launch launch;
  launch.launcher = "mpirun";
  launch.world = variables.world("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
                                 "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE");
  launch.job = variables.text("OMPI_MCA_orte_hnp_uri", variables.text("PMIX_NAMESPACE"));
  set_address(variables, "", open_mpi_port(variables),
              " (mpirun -x MASTER_ADDR=HOST -x MASTER_PORT=29500 ...)", launch);
  return launch;
}

Launch by_pmi(const Variables& variables) {
  Launch launch;
  launch.launcher = "mpiexec";
  launch.world = variables.world("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS");
  set_address(variables, "", std::nullopt,
              " (mpiexec -genv MASTER_ADDR HOST -genv MASTER_PORT 29500 ...)", launch);
  return launch;
}

Launch by_slurm(const Variables& variables) {
  Launch launch;
  launch.launcher = "srun";
  launch.world = variables.world("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "", "");
  const std::int64_t node = variables.number("SLURM_NODEID", 0, 0, 1 << 20);
  World& world = launch.world;
  world.local_size = tasks_of_node(variables.text("SLURM_STEP_TASKS_PER_NODE"), node);
  world.local_rank = variables.number("SLURM_LOCALID", 0, 0, world.local_size - 1);
  const std::string id = variables.text("SLURM_JOB_ID") + "." + variables.text("SLURM_STEP_ID");
  launch.job = format_text("{}/{}", id, variables.text("SLURM_RESTART_COUNT"));
  const std::int64_t number = variables.number("SLURM_JOB_ID", 0, 0, std::int64_t{1} << 40) +
                              variables.number("SLURM_STEP_ID", 0, 0, std::int64_t{1} << 40);
  set_address(variables, first_host(variables.text("SLURM_STEP_NODELIST")), port_for(number), "",
              launch);
  return launch;
}

}  // namespace

Environment process_environment() {
  Environment variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos)
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

Launch find_launch(const Environment& environment) {
  const Variables variables(environment);
  if (variables.has("RANK") && variables.has("WORLD_SIZE")) return by_variables(variables);
  if (variables.number("OMPI_COMM_WORLD_SIZE", 1, 1, 1 << 20) > 1) return by_open_mpi(variables);
  if (variables.number("PMI_SIZE", 1, 1, 1 << 20) > 1 && variables.has("PMI_RANK"))
    return by_pmi(variables);
  if (variables.has("SLURM_STEP_ID") && variables.number("SLURM_STEP_NUM_TASKS", 1, 1, 1 << 20) > 1)
    return by_slurm(variables);
  return {};
}

std::string first_host(const std::string& list) {
  const std::size_t bracket = list.find('['), comma = list.find(',');
  if (bracket == std::string::npos || comma < bracket) return list.substr(0, comma);
  const std::size_t end = list.find_first_of(",-]", bracket);
  const std::size_t close = list.find(']', bracket);
  if (end == std::string::npos || close == std::string::npos) return list.substr(0, bracket);
  const std::size_t next = list.find(',', close);
  return list.substr(0, bracket) + list.substr(bracket + 1, end - bracket - 1) +
         list.substr(close + 1, next == std::string::npos ? next : next - close - 1);
}

std::int64_t tasks_of_node(const std::string& list, std::int64_t node) {
  std::int64_t tasks = 1;
  for (std::size_t begin = 0; begin < list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    const std::string_view part = std::string_view(list).substr(begin, end - begin);
    const std::size_t times = part.find("(x");
    tasks = parse_number(part.substr(0, times)).value_or(1);
    const std::int64_t nodes =
        times == std::string_view::npos
            ? 1
            : parse_number(part.substr(times + 2, part.size() - times - 3)).value_or(1);
    if (node < nodes) break;
    node -= nodes;
    begin = end + 1;
  }
  return tasks;
}

}  // namespace ddpm
