// Finds which network a state dict belongs to, from the names and shapes of its tensors.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/formats/tensor_set.h"
#include "ddpm/interop/translate.h"

namespace ddpm {

// A network whose file has no config. Settings that no shape shows are those of the code base that
// the names belong to.
struct InferredModel {
  Layout layout;
  Config config;                     // model, diffusion, data.channels and data.range
  std::vector<std::string> assumed;  // for the log: settings that tensors do not show
};

// The scheme that the names belong to, found by its time embedding and its first convolution;
// nothing if there is none.
std::optional<NamingScheme> detect_scheme(const TensorSet& set);

// Recognises common networks that this program does not support. Returns a phrase for messages that
// names the network and the reason, or an empty text for any other set of tensors.
std::string describe_other_network(const TensorSet& set);

// Throws CheckpointError "<path>: ..." if the tensors are not a network that this program supports.
InferredModel infer_model(const TensorSet& set);

}  // namespace ddpm
