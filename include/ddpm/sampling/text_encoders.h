// Turns prompts into what the UNet of a text-to-image model takes.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/device/runtime.h"
#include "ddpm/io/embedding_file.h"
#include "ddpm/io/text_encoder_file.h"
#include "ddpm/nn/bound_network.h"
#include "ddpm/nn/clip_text.h"
#include "ddpm/ops/condition.h"

namespace ddpm {

// A text after the text encoders, float32 on the device.
struct EncodedText {
  torch::Tensor context;  // [1,77 * chunks,width]; of two encoders one beside the other
  torch::Tensor
      pooled;  // [1,width] of the last encoder's first chunk; undefined unless the model is XL
};

class TextEncoders {
 public:
  // Loads the encoders to the device. Throws CheckpointError if the tensors do not fit.
  TextEncoders(const TextEncoderFiles& files, const Runtime& runtime);

  // Adds the word of a textual inversion: its vectors to the encoders of their width. Throws ConfigError
  // if there is none, and if the word is there already.
  void add(const TextEmbedding& embedding);

  // Encodes a prompt of any length, with weights as stable-diffusion-webui understands them
  // (tokenizer/prompt_weights.h): each chunk of 75 ids by itself. Without weights and up to 75 ids it
  // is what diffusers computes. `clip_skip` - 1 of the last layers are left out, in addition to those
  // that the version leaves out. Throws ConfigError for a text that is not UTF-8, wrong weights, and a
  // clip_skip with no layer left.
  EncodedText encode(const std::string& prompt, std::int64_t clip_skip);

  // What stands for a negative prompt that is not given: zeros for XL, else the encoding of "".
  EncodedText encode_absent(std::int64_t clip_skip);

  // Fills the context up to this many tokens with encodings of "".
  EncodedText filled(EncodedText text, std::int64_t tokens, std::int64_t clip_skip);

  // The weights of encoder i under its own names, for changes to them.
  std::size_t count() const { return encoders_.size(); }
  std::vector<NamedTensor> weights(std::size_t i) const { return encoders_[i].network.tensors(); }

 private:
  struct Encoder {
    BoundNetwork<ClipText> network;
    ContextState state;
    ClipTokenizer tokenizer;
    torch::Tensor further = {};  // vectors of textual inversions, [n,width]
  };
  // The state that the UNet takes of a chunk's ids [1,77], and the pooled row if `pooled`.
  EncodedText encode_ids(Encoder& encoder, const torch::Tensor& ids, std::int64_t clip_skip);
  EncodedText encode_with(Encoder& encoder, const std::string& prompt, std::int64_t clip_skip);

  std::vector<Encoder> encoders_;
  torch::Device device_;
  bool zeros_for_absent_;
};

// The sizes that XL is told beside the text: the picture's, and which part of it is shown.
struct PictureSizes {
  std::int64_t height = 0, width = 0;  // of the picture, and so of the original and the target
};

// The condition of one image for this network: the text, and for a network with a vector the pooled
// row with the sinusoids of original height and width, top and left of the crop, and target height and
// width. Throws ConfigError if the text does not have the widths that the network takes.
Condition text_condition(const ModelConfig& model, const EncodedText& text,
                         const PictureSizes& sizes);

}  // namespace ddpm
