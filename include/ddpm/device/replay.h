// Repeated work on a GPU without the cost of queueing its kernels one by one.
#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>

namespace ddpm {

// Runs the same work many times. On a GPU with kernels it is recorded into a CUDA graph at the
// third call and from then on replayed; elsewhere, every call runs it. Recorded work must queue the
// same kernels on the same tensors each time: what changes comes from a StepInputs, and results
// stay valid until the next call. The first two calls are ordinary: operators choose their
// algorithms.
class Replay {
 public:
  explicit Replay(torch::Device device);
  ~Replay();
  Replay(Replay&&) noexcept;
  Replay& operator=(Replay&&) = delete;

  void operator()(const std::function<void()>& work);

 private:
  struct Graph;                   // keeps CUDA out of this header
  std::unique_ptr<Graph> graph_;  // null: always run
  int calls_ = 0;
};

}  // namespace ddpm
