// Files of the text encoders of Stable Diffusion.
#pragma once

#include <filesystem>
#include <vector>

#include "ddpm/architecture/clip_text.h"
#include "ddpm/device/named_tensor.h"
#include "ddpm/formats/tensor_set.h"
#include "ddpm/interop/text_encoders.h"
#include "ddpm/tokenizer/clip_tokenizer.h"

namespace ddpm {

struct TextEncoderFile {
  std::filesystem::path weights;
  ClipTextConfig config;
  TensorSet tensors;   // with the network's own names (interop/clip_text.h)
  ContextState state;  // what the UNet takes of it
  ClipTokenizer tokenizer;
};

struct TextEncoderFiles {
  std::vector<TextEncoderFile> encoders;  // none; one; or the two of XL in their order
  // An absent negative prompt is zeros, not the encoding of an empty text: as XL was trained.
  bool zeros_for_absent = false;
};

// Opens the text encoders of a model. `path` is a folder of diffusers with `text_encoder` or
// `text_encoder_2` in it, and perhaps `tokenizer` and `tokenizer_2`; the folder of one text encoder;
// or a file of a whole model of CompVis or Stability AI, or of one text encoder alone. Without files of
// a tokenizer it is that of CLIP, with the padding of the version. A folder or a file without an
// encoder gives none. Throws CheckpointError for other kinds of encoder and for damaged files.
TextEncoderFiles open_text_encoders(const std::filesystem::path& path);

// Writes config.json and model.safetensors of one text encoder as transformers does, to a folder that is
// made. `tensors` have the network's own names. Throws ConfigError if the folder is not empty; IoError.
void save_text_encoder(const std::filesystem::path& folder, const ClipTextConfig& config,
                       const std::vector<NamedTensor>& tensors);

}  // namespace ddpm
