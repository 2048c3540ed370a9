// The text encoders inside a file of a whole model.
#pragma once

#include <string>
#include <vector>

#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// Which state of a text encoder a UNet was trained with. The last one is that after all layers.
enum class ContextState {
  kLastNormed,  // Stable Diffusion 1, and version 2 in diffusers, whose files lack the last layer
  kPenultimateNormed,  // version 2 as Stability AI publishes it: the last layer is in the file, but not used
  kPenultimate,  // XL, both encoders
};

struct FoundTextEncoder {
  std::string
      place;  // what stands before the names, such as "cond_stage_model.transformer."; "": nothing
  ContextState state = ContextState::kLastNormed;
  TensorSet set;  // named as the encoder's program does; clip_text_from_scheme() translates them
};

// The encoders of a single file: those below the prefixes of CompVis and Stability AI, or one alone
// without any. None, one, or XL's two in their order. A merge may lack "text_model." before the
// names.
std::vector<FoundTextEncoder> find_text_encoders(const TensorSet& file);

}  // namespace ddpm
