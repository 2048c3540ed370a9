#include "ddpm/io/embedding_file.h"

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/weight_file.h"
#include "ddpm/interop/find_networks.h"
#include "ddpm/io/weights.h"

namespace ddpm {
namespace {

// [n,width], or [width] for one vector.
torch::Tensor vectors_of(const TensorView& view, const std::filesystem::path& path) {
  torch::Tensor vectors = to_tensor(view).to(torch::kFloat32);
  if (vectors.dim() == 1) vectors = vectors.unsqueeze(0);
  constexpr std::int64_t kMost = 75;  // ids that a prompt has room for
  if (vectors.dim() != 2 || vectors.size(0) < 1 || vectors.size(0) > kMost || vectors.size(1) < 1)
    throw CheckpointError(format_text("{}: tensor '{}' must be 1 to {} vectors [n,width]",
                                      shown(path), shorten(view.name), kMost));
  return vectors;
}

}  // namespace

TextEmbedding open_embedding(const std::filesystem::path& path) {
  const std::vector<StateDict> dictionaries = read_state_dicts(path);
  TextEmbedding embedding{.word = path.stem().string(), .vectors = {}};
  for (const auto& [place, set] : dictionaries) {
    for (const char* name : {"clip_l", "clip_g"})
      if (const TensorView* view = set.find(name))
        embedding.vectors.push_back(vectors_of(*view, path));
    if (!embedding.vectors.empty()) return embedding;
    const TensorView* view = set.find("emb_params");
    const bool is_webui = view != nullptr || place == "string_to_param";
    if (view == nullptr && set.tensors.size() == 1) view = &set.tensors.front();
    if (view == nullptr) continue;
    embedding.vectors.push_back(vectors_of(*view, path));
    if (!is_webui) embedding.word = view->name;
    return embedding;
  }
  throw CheckpointError(
      shown(path) + ": there is no textual inversion in it:" + describe_dictionaries(dictionaries));
}

}  // namespace ddpm
