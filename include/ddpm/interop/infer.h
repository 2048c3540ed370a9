// Which network a state dict belongs to, read off its tensors' names and shapes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/formats/tensor_set.h"
#include "ddpm/interop/translate.h"

namespace ddpm {

// A network whose file has no config. What no shape tells is taken from the code base that the
// names belong to.
struct InferredModel {
  Layout layout;
  Config config;                     // model, diffusion, data.channels and data.range
  std::vector<std::string> assumed;  // for the log: what the tensors do not tell
};

// The scheme whose names these are, by its time embedding.
std::optional<NamingScheme> detect_scheme(const TensorSet& set);

// What a set of tensors is that is no network of the family but often met: a phrase for messages,
// with the reason; empty: nothing that is known.
std::string describe_other_network(const TensorSet& set);

// Throws CheckpointError "<path>: ..." if the tensors are no network of the family.
InferredModel infer_model(const TensorSet& set);

}  // namespace ddpm
