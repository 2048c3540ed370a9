// Files of textual inversions: new words for a text encoder, as vectors in its table of tokens. Gal et
// al., "An Image is Worth One Word", https://arxiv.org/abs/2208.01618.
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace ddpm {

struct TextEmbedding {
  std::string word;  // that stands for the vectors in a prompt
  std::vector<torch::Tensor>
      vectors;  // [n,width] float32; two for XL, of its encoders in their order
};

// Opens a file of stable-diffusion-webui (string_to_param, emb_params; clip_l and clip_g for XL), whose
// word is the file's name without its ending, or of diffusers, whose only tensor has the word as its name.
// Throws CheckpointError for other files.
TextEmbedding open_embedding(const std::filesystem::path& path);

}  // namespace ddpm
