// Work beside the current stream of a GPU.
#pragma once

#include <torch/types.h>

#include <functional>
#include <vector>

namespace ddpm {

// Runs `work` on a second stream of the device, after all that was queued so far; the current
// stream goes on meanwhile. Gradients of weights are such work: nobody waits for them before the
// optimiser, and at low resolution one convolution does not fill a GPU. `inputs` are what work
// reads; they stay alive until the streams are joined. On the CPU work runs at once.
void run_aside(const std::vector<torch::Tensor>& inputs, const std::function<void()>& work);

// Whether a convolution of this feature map leaves no room for work beside it.
bool fills_gpu(const torch::Tensor& x);

// Makes the current stream wait for all such work. To be called before its results are used.
void join_side_stream(torch::Device device);

}  // namespace ddpm
