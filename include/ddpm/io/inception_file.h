// Files with the weights of Inception-v3 (nn/inception.h).
#pragma once

#include <filesystem>

#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// The weights under the names of Inception, float32, from a file with torchvision's names, such as
// pt_inception-2015-12-05-6726825d.pth of pytorch-fid or weights-inception-2015-12-05-6726825d.pth of
// torch-fidelity. A batch norm becomes part of the convolution before it: with its scale s, offset o,
// mean m and variance v the weight w becomes w s / sqrt(v + 0.001), and the bias
// o - m s / sqrt(v + 0.001). Throws CheckpointError for a file without such a network, and for
// torchvision's own, which was trained on 1000 classes and gives other scores.
TensorSet read_inception(const std::filesystem::path& path);

}  // namespace ddpm
