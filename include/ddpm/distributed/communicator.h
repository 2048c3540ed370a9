// Exchanges tensors between the processes of a job.
#pragma once

#include <torch/types.h>

#include <span>
#include <vector>

#include "ddpm/base/world.h"

namespace ddpm {

// All processes must call the same functions in the same order, with tensors of the same shapes and types. The
// tensors are contiguous and lie on the device that the communicator was made for. On a GPU the work is queued on
// the current stream and may be recorded (device/replay.h). Throws ConnectionLost when a process is gone.
class Communicator {
 public:
  explicit Communicator(const World& world) : world_(world) {}
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  const World& world() const { return world_; }

  // Replaces each tensor by its sum over all ranks, the same bits on each. This one adds in the order of ranks:
  // ((x0 + x1) + x2) + ..., rounded to the tensors' type after each addition, as one process adds its micro-batches.
  virtual void sum(std::span<const torch::Tensor> tensors);

  // Replaces each tensor by that of rank 0.
  virtual void broadcast(std::span<const torch::Tensor> tensors) = 0;

  // The tensors of all ranks, [size, ...].
  torch::Tensor gather(const torch::Tensor& own);

 protected:
  // Sends part r of `from` to rank r; part r of `to` comes from there. Both have one dimension, of size() parts.
  virtual void exchange(const torch::Tensor& from, const torch::Tensor& to) = 0;
  // Puts `own`, of one dimension, in part r of `all` on every rank.
  virtual void gather_into(const torch::Tensor& own, const torch::Tensor& all) = 0;

 private:
  void sum_in_order(const torch::Tensor& flat);

  World world_;
};

// That of a process alone, whose functions have nothing to do.
Communicator& alone();

}  // namespace ddpm
