#include "ddpm/bench/throughput.h"

#include <cstdio>

#include "command.h"
#include "ddpm/architecture/cost.h"
#include "ddpm/config/validate.h"
#include "ddpm/formats/json.h"
#include "json_text.h"

namespace ddpm::cli {
namespace {

struct BenchCommandOptions {
  CommonOptions common;
  std::optional<std::string> config;
  std::optional<std::int64_t> batch_size;
  bool train = false, sample = false, kernels = false, json = false;
  double seconds = 5;
};

std::vector<ConfigOverride> overrides_of(const BenchCommandOptions& options) {
  std::vector<ConfigOverride> list = options.common.overrides();
  append_override(list, options.batch_size, "training.batch_size", "--batch-size");
  append_override(list, options.batch_size, "sampling.batch_size", "--batch-size");
  return list;
}

// Achieved TFLOP/s and its share of what a matrix product reaches.
void add_arithmetic(Json& row, double flops_per_second, const Ceilings& ceilings) {
  row["tflops"] = flops_per_second * 1e-12;
  row["share_of_matmul"] = flops_per_second * 1e-12 / ceilings.matmul_tflops;
}

void add_kernels(Json& row, const std::vector<KernelTime>& kernels) {
  for (const KernelTime& kernel : kernels)
    row["kernels"].push_back(
        {{"ms", kernel.milliseconds}, {"calls", kernel.calls}, {"name", kernel.name}});
}

Json describe(const TrainingSpeed& speed, const Cost& cost, const Ceilings& ceilings,
              std::int64_t batch) {
  Json row = {{"batch_size", batch},
              {"images_per_second", speed.images_per_second},
              {"step_ms", speed.step_milliseconds},
              {"seconds_to_steady_step", speed.seconds_to_steady_step},
              {"peak_memory_bytes", speed.peak_memory_bytes}};
  // The backward pass computes twice what the forward pass does.
  add_arithmetic(row, speed.images_per_second * 6 * cost.forward_macs, ceilings);
  add_kernels(row, speed.kernels);
  return row;
}

Json describe(const SamplingSpeed& speed, const Cost& cost, const Ceilings& ceilings,
              std::int64_t batch) {
  Json row = {{"batch_size", batch},
              {"evaluations_per_second", speed.evaluations_per_second},
              {"step_ms", speed.step_milliseconds},
              {"peak_memory_bytes", speed.peak_memory_bytes}};
  add_arithmetic(row, speed.evaluations_per_second * 2 * cost.forward_macs, ceilings);
  add_kernels(row, speed.kernels);
  return row;
}

void print_table(const Json& result) {
  for (const auto& [section, values] : result.items()) {
    std::printf("%s\n", section.c_str());
    for (const auto& [name, value] : values.items()) {
      if (!value.is_array()) {
        std::printf("  %-24s %s\n", name.c_str(), value_text(name, value, /*digits=*/5).c_str());
        continue;
      }
      std::printf("  %s of one step\n", name.c_str());
      for (const Json& kernel : value)
        std::printf("    %8.3f ms %5lld x  %.100s\n", kernel["ms"].get<double>(),
                    kernel["calls"].get<long long>(), kernel["name"].get<std::string>().c_str());
    }
  }
}

ExitCode run_bench(const BenchCommandOptions& options) {
  set_up_logging(options.common.log);
  Config loaded = load_config(options.config, overrides_of(options)).config;
  if (!options.config) loaded.data.source = DataSource::kCifar10;  // the network's own
  const Config config = with_image_shape(std::move(loaded));
  check_predicts_image(config);
  const Runtime runtime = set_up_runtime(runtime_options(config.run));
  const DataConfig& data = config.data;
  const Cost cost = estimate_cost(config.model, data.channels, data.height, data.width);
  const Ceilings ceilings = measure_ceilings(runtime);
  Json result = {{"machine",
                  {{"device", runtime.description},
                   {"matmul_tflops", ceilings.matmul_tflops},
                   {"copy_gb_per_second", ceilings.copy_gbps}}},
                 {"network",
                  {{"image", format_text("{}x{}x{}", data.channels, data.height, data.width)},
                   {"parameters", cost.parameters}}}};
  const BenchOptions bench{.seconds = options.seconds, .kernels = options.kernels};
  const bool both = options.train == options.sample;
  if (both || options.train)
    result["training"] = describe(bench_training(config, runtime, bench), cost, ceilings,
                                  config.training.batch_size);
  if (both || options.sample)
    result["sampling"] = describe(bench_sampling(config, runtime, bench), cost, ceilings,
                                  config.sampling.batch_size);
  if (options.json)
    std::puts(dump_json(result, 2).c_str());
  else
    print_table(result);
  return ExitCode::kSuccess;
}

}  // namespace

void add_bench(CLI::App& program, Action& action) {
  auto options = std::make_shared<BenchCommandOptions>();
  CLI::App* command =
      program.add_subcommand("bench", "Measure how fast this machine trains and samples");
  command
      ->add_option("-c,--config", options->config,
                   "The network, its image size and the training settings [Ho et al.'s CIFAR-10]")
      ->type_name("FILE");
  command
      ->add_option("--batch-size", options->batch_size,
                   "Images per batch, in training and sampling [the config's]")
      ->check(between(1, 1e6))
      ->type_name("N");
  command->add_flag("--train", options->train, "Measure training only");
  command->add_flag("--sample", options->sample, "Measure sampling only");
  command
      ->add_option(
          "--seconds", options->seconds,
          format_text("How long to measure each, after warm-up, in seconds [{}]", options->seconds))
      ->check(between(0, 3600))
      ->type_name("S");
  command->add_flag("--kernels", options->kernels,
                    "List the GPU kernels of one step and their times too");
  command->add_flag("--json", options->json,
                    "Print JSON; docs/formats/bench.md has its keys and units");
  add_image_size_option(*command, options->common);
  add_common_options(*command, options->common);
  command->footer(examples({"ddpm bench", "ddpm bench --precision fp32 --batch-size 128",
                            "ddpm bench --config configs/labml.json --train --json"}));
  command->callback([&action, options] { action = [options] { return run_bench(*options); }; });
}

}  // namespace ddpm::cli
