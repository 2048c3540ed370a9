// The names that other programs give the tensors of CLIP's text encoder. The network has those of
// transformers, without "text_model.".
#pragma once

#include "ddpm/architecture/clip_text.h"
#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// Translates the tensors of one text encoder, named as transformers does, with or without
// "text_model.", or as OpenCLIP does: there q, k and v lie in one tensor and the projection is
// transposed. Bytes are shared where possible. Position ids and OpenCLIP's logit_scale are left
// out; other tensors that the network does not know keep their names, so that loading can list
// them. Throws CheckpointError for a tensor of another shape than its name tells.
TensorSet clip_text_from_scheme(const TensorSet& tensors);

// The shape of the network as its tensors show it, under any scheme's names. Heads are 64 wide, as
// in all published encoders, or one if the width is not a multiple; the activation is that of the
// program whose names the tensors have. Throws CheckpointError that says which tensor is missing.
ClipTextConfig infer_clip_text(const TensorSet& tensors);

}  // namespace ddpm
