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

// The loss of a checkpoint; nothing if it is unknown or the checkpoint is damaged. Throws
// AccessError: then the best checkpoint stays the best.
std::optional<double> loss_of(const std::filesystem::path& checkpoint) {
  try {
    return read_training_state(checkpoint).loss;
  } catch (const AccessError&) {
    throw;
  } catch (const Error& error) {
    log_warning("{}", error.what());
    return std::nullopt;
  }
}

}  // namespace

CheckpointSaver::CheckpointSaver(CheckpointStore store, Retention retention, bool keep_best)
    : store_(std::move(store)), retention_(retention), keep_best_(keep_best) {}

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
    if (keep_best_) choose_best(result.path);
    store_.prune(retention_);
  } catch (const std::exception& error) {
    log_warning("old checkpoints were not cleaned up: {}", error.what());
  }
  result.seconds = watch.seconds();
  return result;
}

void CheckpointSaver::choose_best(const std::filesystem::path& saved) {
  const std::optional<double> loss = loss_of(saved);
  if (!loss) return;
  const std::optional<std::filesystem::path> best = store_.best();
  const std::optional<double> least = best ? loss_of(*best) : std::nullopt;
  if (!least || *loss < *least) store_.set_best(saved);
}

}  // namespace ddpm
