#include <cmath>
#include <cstdio>

#include "ddpm/base/file.h"
#include "ddpm/base/log.h"
#include "ddpm/base/stopwatch.h"
#include "ddpm/runs/run_directory.h"
#include "ddpm/training/prepare.h"
#include "ddpm/training/run.h"
#include "ddpm/training/trainer.h"

namespace ddpm {
namespace {

double seconds_of(const std::function<void()>& work) {
  const Stopwatch watch;
  work();
  return watch.seconds();
}

void print_row(const std::string& name, const std::string& value) {
  std::printf("%-26s %s\n", name.c_str(), value.c_str());
}

}  // namespace

void dry_run(Config config, bool force) {
  const Prepared prepared = prepare(config, force, CacheUse::kReadOnly);
  const TrainingConfig& training = config.training;
  Trainer trainer(config, prepared.images, prepared.runtime);
  const std::int64_t micro_batch = training.batch_size / training.micro_batches;
  TrainingTotals totals;
  double seconds = 0;
  explain_out_of_memory(prepared.runtime.device, micro_batch, [&] {
    // The time of the first step includes set-up; the second step is like all others.
    for (int i = 0; i < 2; ++i)
      seconds = seconds_of([&] {
        trainer.step();
        totals = trainer.totals();
      });
  });
  const double checkpoint = 16.0 * static_cast<double>(prepared.cost.parameters);
  print_row("parameters", with_thousands(prepared.cost.parameters));
  print_row("GFLOP per training image", format_text("{:.2f}", 6e-9 * prepared.cost.forward_macs));
  print_row("mean loss of two steps",
            format_text("{:.4f}", totals.loss_sum / static_cast<double>(totals.steps)));
  print_row("seconds per step", format_text("{:.3f}", seconds));
  print_row("images per second",
            format_text("{:.1f}", static_cast<double>(training.batch_size) / seconds));
  print_row("peak memory", format_bytes(peak_memory_bytes(prepared.runtime.device)));
  print_row("checkpoint on disk", format_bytes(checkpoint));
  print_row("checkpoints on disk",
            format_bytes(checkpoint * static_cast<double>(training.keep_checkpoints + 1)));
  print_row("free disk", format_bytes(static_cast<double>(free_disk_bytes(run_directory(config)))));
  if (training.budget_minutes > 0)
    print_row("steps within the budget",
              with_thousands(std::llround(60 * training.budget_minutes / seconds)));
  else
    print_row("time for all steps", format_duration(seconds * static_cast<double>(training.steps)));
}

}  // namespace ddpm
