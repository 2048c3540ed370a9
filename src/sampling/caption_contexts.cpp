#include "ddpm/sampling/caption_contexts.h"

#include <unordered_map>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/signals.h"
#include "ddpm/io/weights.h"
#include "ddpm/nn/initialize.h"

namespace ddpm {

void write_contexts(TextEncoders& encoders, const std::vector<std::string>& captions,
                    const std::filesystem::path& output) {
  const torch::Tensor empty = encoders.encode("", /*clip_skip=*/1).context.cpu();
  std::unordered_map<std::string, std::int64_t> known;
  std::vector<torch::Tensor> contexts;
  std::vector<std::int64_t> rows;
  for (std::size_t i = 0; i < captions.size() && !stop_requested(); ++i) {
    const auto [place, is_new] = known.emplace(captions[i], std::ssize(contexts));
    rows.push_back(place->second);
    if (!is_new) continue;
    contexts.push_back(encoders.encode(captions[i], /*clip_skip=*/1).context.cpu());
    if (contexts.back().size(1) != empty.size(1))
      throw DataError(
          format_text("caption {} is longer than the {} ids that the text encoder takes", i + 1,
                      empty.size(1) - 2));
  }
  if (stop_requested()) return;
  std::vector<NamedTensor> tensors = {{"contexts", torch::cat(contexts)}, {"empty", empty[0]}};
  if (contexts.size() < captions.size())
    tensors.push_back({"rows", torch::tensor(rows, torch::kInt64)});
  save_tensors(output, tensors);
}

void make_text_encoder(const std::filesystem::path& folder, std::int64_t width,
                       std::uint64_t seed) {
  constexpr std::int64_t kHeadWidth = 8, kLayers = 2;
  const ClipTextConfig config{
      .width = width, .inner_width = 4 * width, .layers = kLayers, .heads = width / kHeadWidth};
  const BoundNetwork<ClipText> network(ClipText(config), torch::kFloat32, torch::kCPU);
  initialize_weights(*network.net(), Initialization::kPytorch, seed);
  save_text_encoder(folder, config, network.tensors());
}

}  // namespace ddpm
