#include "ddpm/interop/clip_text.h"

#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"

namespace ddpm {
namespace {

constexpr std::string_view kTextModel = "text_model.", kOpenBlocks = "transformer.resblocks.";

// Parts of a layer in OpenCLIP and in transformers.
constexpr std::array<std::array<std::string_view, 2>, 5> kLayerParts = {
    {{"ln_1.", "layer_norm1."},
     {"ln_2.", "layer_norm2."},
     {"mlp.c_fc.", "mlp.fc1."},
     {"mlp.c_proj.", "mlp.fc2."},
     {"attn.out_proj.", "self_attn.out_proj."}}};

// Parts outside of the layers.
constexpr std::array<std::array<std::string_view, 2>, 4> kOuterParts = {
    {{"token_embedding.weight", "embeddings.token_embedding.weight"},
     {"positional_embedding", "embeddings.position_embedding.weight"},
     {"ln_final.weight", "final_layer_norm.weight"},
     {"ln_final.bias", "final_layer_norm.bias"}}};

bool is_open_clip(const TensorSet& tensors) {
  return tensors.find("transformer.resblocks.0.attn.in_proj_weight") != nullptr;
}

bool is_unused(std::string_view name) {
  return name == "logit_scale" || name == "attn_mask" || name.ends_with("position_ids");
}

[[noreturn]] void refuse_shape(const TensorSet& set, const TensorView& view) {
  throw CheckpointError(format_text("{}: '{}' does not have the shape that its name tells",
                                    set.path.string(), view.name));
}

// Adds q, k and v of a tensor in which they follow each other, as views of the same bytes.
void add_projections(const TensorSet& set, const TensorView& view, const std::string& layer,
                     std::string_view parameter, TensorSet& result) {
  if (view.shape.empty() || view.shape.front() % 3 != 0 || view.bytes.size() % 3 != 0)
    refuse_shape(set, view);
  const std::size_t bytes = view.bytes.size() / 3;
  for (std::size_t i = 0; i < 3; ++i) {
    TensorView part = view;
    part.name = format_text("{}self_attn.{}_proj.{}", layer, std::string_view("qkv").substr(i, 1),
                            parameter);
    part.shape.front() /= 3;
    part.bytes = view.bytes.subspan(i * bytes, bytes);
    result.tensors.push_back(std::move(part));
  }
}

// Memory for tensors that must be rearranged, beside that of the original ones.
struct Rearranged {
  std::shared_ptr<const void> original;
  std::vector<std::vector<std::byte>> tensors;
};

TensorView transposed(const TensorSet& set, const TensorView& view, Rearranged& memory) {
  if (view.shape.size() != 2) refuse_shape(set, view);
  const auto rows = static_cast<std::size_t>(view.shape[0]),
             columns = static_cast<std::size_t>(view.shape[1]);
  const std::size_t size = dtype_size(view.dtype);
  std::vector<std::byte>& bytes = memory.tensors.emplace_back(view.bytes.size());
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t column = 0; column < columns; ++column)
      std::memcpy(&bytes[(column * rows + row) * size],
                  &view.bytes[(row * columns + column) * size], size);
  TensorView result = view;
  result.shape = {view.shape[1], view.shape[0]};
  result.bytes = bytes;
  return result;
}

std::string outer_name(std::string_view name) {
  for (const auto& [open, own] : kOuterParts)
    if (name == open) return std::string(own);
  return std::string(name);
}

// Adds a tensor of one of OpenCLIP's blocks; `rest` is its name after "transformer.resblocks.".
void add_block_tensor(const TensorSet& set, const TensorView& view, std::string_view rest,
                      TensorSet& result) {
  const std::size_t dot = rest.find('.');
  const std::string layer = format_text("encoder.layers.{}.", rest.substr(0, dot));
  const std::string_view part = dot == std::string_view::npos ? "" : rest.substr(dot + 1);
  if (part == "attn.in_proj_weight") return add_projections(set, view, layer, "weight", result);
  if (part == "attn.in_proj_bias") return add_projections(set, view, layer, "bias", result);
  TensorView renamed = view;
  for (const auto& [open, own] : kLayerParts)
    if (part.starts_with(open))
      renamed.name = layer + std::string(own) + std::string(part.substr(open.size()));
  result.tensors.push_back(std::move(renamed));
}

TensorSet from_open_clip(const TensorSet& tensors) {
  TensorSet result = tensors;
  result.tensors.clear();
  const auto memory = std::make_shared<Rearranged>();
  memory->original = tensors.memory;
  for (const TensorView& view : tensors.tensors) {
    const std::string_view name = view.name;
    if (is_unused(name)) continue;
    if (name.starts_with(kOpenBlocks)) {
      add_block_tensor(tensors, view, name.substr(kOpenBlocks.size()), result);
    } else if (name == "text_projection") {
      result.tensors.push_back(transposed(tensors, view, *memory));
      result.tensors.back().name = "text_projection.weight";
    } else {
      result.tensors.push_back(view);
      result.tensors.back().name = outer_name(name);
    }
  }
  result.memory = memory;
  return result;
}

}  // namespace

TensorSet clip_text_from_scheme(const TensorSet& tensors) {
  if (is_open_clip(tensors)) return from_open_clip(tensors);
  TensorSet result = tensors;
  std::erase_if(result.tensors, [](const TensorView& view) { return is_unused(view.name); });
  for (TensorView& view : result.tensors)
    if (view.name.starts_with(kTextModel)) view.name.erase(0, kTextModel.size());
  return result;
}

ClipTextConfig infer_clip_text(const TensorSet& tensors) {
  const bool open_clip = is_open_clip(tensors);
  const TensorSet own = clip_text_from_scheme(tensors);
  std::map<std::string_view, const TensorView*> by_name;
  for (const TensorView& view : own.tensors) by_name.emplace(view.name, &view);
  const auto shape_of = [&](const char* name) -> const std::vector<std::int64_t>& {
    const auto found = by_name.find(name);
    if (found == by_name.end() || found->second->shape.size() != 2)
      throw CheckpointError(format_text("{}: not a text encoder of CLIP: there is no table '{}'",
                                        tensors.path.string(), name));
    return found->second->shape;
  };
  ClipTextConfig config;
  config.tokens = shape_of("embeddings.token_embedding.weight")[0];
  config.width = shape_of("embeddings.token_embedding.weight")[1];
  config.positions = shape_of("embeddings.position_embedding.weight")[0];
  config.inner_width = shape_of("encoder.layers.0.mlp.fc1.weight")[0];
  config.layers = 0;
  while (by_name.contains(format_text("encoder.layers.{}.mlp.fc1.weight", config.layers)))
    ++config.layers;
  constexpr std::int64_t kHeadWidth = 64;
  config.heads = config.width % kHeadWidth == 0 ? config.width / kHeadWidth : 1;
  config.activation = open_clip ? ClipActivation::kGelu : ClipActivation::kQuickGelu;
  if (by_name.contains("text_projection.weight"))
    config.projection = shape_of("text_projection.weight")[0];
  config.end_token = config.tokens - 1;
  check_clip_text_config(config, tensors.path.string());
  return config;
}

}  // namespace ddpm
