// Repeats work on a GPU without the cost of launching its kernels one by one.
#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>

namespace ddpm {

// Runs the same work many times. On a GPU with kernels the third call records it as a CUDA graph,
// and later calls replay the graph; elsewhere every call runs the work. The first two calls are
// ordinary, so that operators choose their algorithms. Recorded work must launch the same kernels
// on the same tensors each time, and reads changing numbers from a StepInputs. Results stay valid
// until the next call.
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
