#include "ddpm/runs/checkpoint_saver.h"

#include <chrono>
#include <exception>
#include <system_error>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/log.h"
#include "ddpm/base/stopwatch.h"
#include "ddpm/runs/training_state.h"

namespace ddpm {
namespace {

// How far from the best a checkpoint is by this criterion, the less the better; nothing if that is unknown
// or the checkpoint is damaged. Throws AccessError: then the best checkpoint stays the best.
std::optional<double> badness_of(const std::filesystem::path& checkpoint, Criterion criterion) {
  try {
    const TrainingState state = read_training_state(checkpoint);
    if (criterion == Criterion::kLoss) return state.loss;
    if (!state.score || state.score->criterion != criterion) return std::nullopt;
    return higher_is_better(criterion) ? -state.score->value : state.score->value;
  } catch (const AccessError&) {
    throw;
  } catch (const Error& error) {
    log_warning("{}", error.what());
    return std::nullopt;
  }
}

}  // namespace

CheckpointSaver::CheckpointSaver(CheckpointStore store, Retention retention,
                                 std::optional<Criterion> best_by)
    : store_(std::move(store)), retention_(retention), best_by_(best_by) {}

CheckpointSaver::~CheckpointSaver() {
  if (busy()) pending_.wait();
}

void CheckpointSaver::start(std::int64_t step,
                            std::function<void(const std::filesystem::path&)> write_files) {
  auto work = [this, step, write_files = std::move(write_files)] {
    return save(step, write_files);
  };
  try {
    pending_ = std::async(std::launch::async, work);
  } catch (const std::system_error&) {  // no thread is free, so poll() or wait() does the work
    pending_ = std::async(std::launch::deferred, work);
  }
}

std::optional<SaveResult> CheckpointSaver::poll() {
  if (!busy() || pending_.wait_for(std::chrono::seconds(0)) == std::future_status::timeout)
    return std::nullopt;
  return pending_.get();
}

std::optional<SaveResult> CheckpointSaver::wait() {
  if (!busy()) return std::nullopt;
  return pending_.get();
}

SaveResult CheckpointSaver::save(
    std::int64_t step, const std::function<void(const std::filesystem::path&)>& write_files) {
  const Stopwatch watch;
  SaveResult result{.step = step, .path = {}, .error = {}, .seconds = 0};
  try {
    result.path = store_.save(step, write_files);
  } catch (const std::exception& error) {  // training can go on after any error
    result.error = error.what();
    return result;
  }
  try {
    if (best_by_) choose_best(result.path, *best_by_);
    store_.prune(retention_);
  } catch (const std::exception& error) {
    log_warning("old checkpoints were not cleaned up: {}", error.what());
  }
  result.seconds = watch.seconds();
  return result;
}

void CheckpointSaver::choose_best(const std::filesystem::path& saved, Criterion criterion) {
  const std::optional<double> badness = badness_of(saved, criterion);
  if (!badness) return;
  const std::optional<std::filesystem::path> best = store_.best();
  const std::optional<double> least = best ? badness_of(*best, criterion) : std::nullopt;
  if (!least || *badness < *least) store_.set_best(saved);
}

}  // namespace ddpm
