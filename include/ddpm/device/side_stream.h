// Runs work beside the current stream of a GPU.
#pragma once

#include <torch/types.h>

#include <functional>
#include <vector>

namespace ddpm {

// Runs `work` on a second stream of the device, after everything queued so far, while the current
// stream goes on. Gradients of weights are computed this way: nothing waits for them before the
// optimiser, and at low resolution one convolution does not fill a GPU. `inputs` are the tensors
// that the work reads; they stay alive until the streams are joined. On the CPU the work runs at
// once.
void run_aside(const std::vector<torch::Tensor>& inputs, const std::function<void()>& work);

// Whether a convolution of this feature map keeps the whole GPU busy.
bool fills_gpu(const torch::Tensor& x);

// Makes the current stream wait for all work of the second. To be called before its results are
// used.
void join_side_stream(torch::Device device);

}  // namespace ddpm
