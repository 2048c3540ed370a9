#include "ddpm/interop/translate.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/interop/names.h"

namespace ddpm {
namespace {

// The kinds of modules that layouts treat differently.
enum class Part { kPlain, kProjection, kFirstTimeLayer };

struct ModulePair {
  std::string own, foreign;
  Part part = Part::kPlain;
};

struct AttentionPair {
  std::string own, foreign;
  std::size_t heads = 1;
};

// The names of all modules of a network that could have parameters, in two schemes.
class Pairs {
 public:
  Pairs(const ModelConfig& model, const UNetNames& own, const UNetNames& foreign)
      : own_(own), foreign_(foreign) {
    const UNetPlan plan = unet_plan(model, /*channels=*/1);
    add_embedding(own.time_embedding, foreign.time_embedding, Part::kFirstTimeLayer);
    add(own.class_embedding, foreign.class_embedding);
    if (plan.vector > 0)
      add_embedding(own.vector_of(model), foreign.vector_of(model), Part::kPlain);
    add(own.conv_in, foreign.conv_in);
    const std::vector<BlockNames> ours = block_names(plan, own),
                                  theirs = block_names(plan, foreign);
    for (std::size_t i = 0; i < plan.blocks.size(); ++i)
      add_block(plan.blocks[i], ours[i], theirs[i]);
    add(own.norm_out, foreign.norm_out);
    add(own.conv_out, foreign.conv_out);
  }

  std::vector<ModulePair> modules;
  std::vector<AttentionPair> attentions;  // a foreign scheme may join their projections

 private:
  void add(const std::string& own, const std::string& foreign, Part part = Part::kPlain) {
    modules.push_back({own, foreign, part});
  }
  void add_embedding(const std::string& own, const std::string& foreign, Part first) {
    add(own + "." + own_.time_linear1, foreign + "." + foreign_.time_linear1, first);
    add(own + "." + own_.time_linear2, foreign + "." + foreign_.time_linear2);
  }
  void add_res(const std::string& own, const std::string& foreign) {
    const ResBlockNames &a = own_.res, &b = foreign_.res;
    for (const auto& [x, y] : {std::pair{&a.norm1, &b.norm1},
                               {&a.conv1, &b.conv1},
                               {&a.time, &b.time},
                               {&a.norm2, &b.norm2},
                               {&a.conv2, &b.conv2},
                               {&a.shortcut, &b.shortcut}})
      add(own + "." + *x, foreign + "." + *y);
  }
  void add_attention(const std::string& own, const std::string& foreign, std::int64_t heads) {
    const AttentionNames &a = own_.attention_parts, &b = foreign_.attention_parts;
    add(own + "." + a.norm, foreign + "." + b.norm);
    for (const auto& [x, y] : {std::pair{&a.q, &b.q}, {&a.k, &b.k}, {&a.v, &b.v}, {&a.out, &b.out}})
      add(own + "." + *x, foreign + "." + *y, Part::kProjection);
    add(own + "." + a.qkv, foreign + "." + b.qkv);
    attentions.push_back(
        {own, foreign, static_cast<std::size_t>(std::max<std::int64_t>(heads, 1))});
  }
  // Attention is added to every block that could have it, so that unexpected attention in a file is
  // reported under our names.
  void add_block(const BlockPlan& block, const BlockNames& own, const BlockNames& foreign) {
    const bool down = block.way == Way::kDown;
    if (block.is_residual())
      add_res(own.block, foreign.block);
    else
      add(own.block + "." + (down ? own_.downsample_conv : own_.upsample_conv),
          foreign.block + "." + (down ? foreign_.downsample_conv : foreign_.upsample_conv));
    if (block.depth > 0)
      for (const std::string& part : transformer_parts(block.depth))
        add(own.attention + "." + part, foreign.attention + "." + part);
    else if (!own.attention.empty())
      add_attention(own.attention, foreign.attention, block.heads);
  }

  const UNetNames &own_, &foreign_;
};

Pairs pairs_of(const ModelConfig& model, NamingScheme scheme) {
  return {model, UNetNames::of(model.names), UNetNames::of(scheme)};
}

// Splits "conv_in.weight" into "conv_in" and "weight". Without a dot, the first part is empty.
std::pair<std::string, std::string> split_name(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos) return {"", name};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

// Builds a set that keeps the memory of another and owns the bytes that must be rearranged.
class Builder {
 public:
  explicit Builder(const TensorSet& source)
      : memory_(std::make_shared<Memory>()), set_{source.path, {}, source.metadata, memory_} {
    memory_->source = source.memory;
  }

  void add(TensorView view) { set_.tensors.push_back(std::move(view)); }
  std::span<std::byte> allocate(std::size_t size) { return memory_->buffers.emplace_back(size); }
  TensorSet finish() { return std::move(set_); }

 private:
  struct Memory {
    std::shared_ptr<const void> source;
    std::vector<std::vector<std::byte>> buffers;
  };
  std::shared_ptr<Memory> memory_;
  TensorSet set_;
};

// Bytes of one row, which is all elements with the same first index.
std::size_t row_bytes(const TensorView& view) {
  return view.shape.empty() || view.shape[0] == 0
             ? view.bytes.size()
             : view.bytes.size() / static_cast<std::size_t>(view.shape[0]);
}

// Reorders the columns for sines and cosines, which are two blocks, or alternate as in
// pytorch_ddpm's table. `split` turns alternating columns into blocks; without it, the reverse.
TensorView reorder_columns(const TensorView& view, bool split, Builder& builder) {
  if (view.shape.size() != 2) return view;  // a bias
  const std::size_t element = dtype_size(view.dtype);
  const auto columns = static_cast<std::size_t>(view.shape[1]), half = columns / 2;
  const std::span<std::byte> out = builder.allocate(view.bytes.size());
  for (std::size_t begin = 0; begin < out.size(); begin += columns * element)
    for (std::size_t k = 0; k < half; ++k)
      for (const std::size_t part : {0, 1}) {
        const std::size_t blocked = begin + (part * half + k) * element,
                          alternating = begin + (2 * k + part) * element;
        std::memcpy(out.data() + (split ? blocked : alternating),
                    view.bytes.data() + (split ? alternating : blocked), element);
      }
  return {view.name, view.dtype, view.shape, out};
}

// The row of a joint projection [3C,...] that holds row `row` of q, k or v (`part` 0, 1 or 2).
std::size_t joint_row(std::size_t part, std::size_t row, std::size_t channels, std::size_t heads,
                      bool blocked) {
  const std::size_t width = channels / heads;
  return blocked ? part * channels + row
                 : (row / width * 3 + part) * width + row % width;  // q, k, v of a head together
}

// Gives a projection's weight `rank` trailing dimensions of 1, like those of a 1x1 convolution.
void set_spatial_rank(TensorView& view, std::size_t rank) {
  if (view.shape.size() < 2) return;  // a bias
  while (view.shape.size() > 2 && view.shape.back() == 1) view.shape.pop_back();
  if (view.shape.size() == 2) view.shape.insert(view.shape.end(), rank, 1);
}

std::size_t spatial_rank(NamingScheme scheme) {
  switch (scheme) {
    case NamingScheme::kHo:
    case NamingScheme::kPytorchDdpm:
      return 2;
    case NamingScheme::kOpenai:
      return 1;
    case NamingScheme::kDiffusers:
    case NamingScheme::kLabml:
      break;
  }
  return 0;
}

// Joins q, k and v of every attention into one tensor.
void join_projections(const TensorSet& own, const Pairs& pairs, const Layout& layout,
                      const AttentionNames& own_names, Builder& builder) {
  for (const AttentionPair& pair : pairs.attentions)
    for (const char* leaf : {".weight", ".bias"}) {
      const TensorView* parts[3] = {own.find(pair.own + "." + own_names.q + leaf),
                                    own.find(pair.own + "." + own_names.k + leaf),
                                    own.find(pair.own + "." + own_names.v + leaf)};
      if (parts[0] == nullptr || parts[1] == nullptr || parts[2] == nullptr) continue;
      const auto channels = static_cast<std::size_t>(parts[0]->shape.at(0));
      const std::size_t row = row_bytes(*parts[0]), heads = pair.heads;
      const std::span<std::byte> out = builder.allocate(3 * parts[0]->bytes.size());
      for (std::size_t part = 0; part < 3; ++part)
        for (std::size_t i = 0; i < channels; ++i)
          std::memcpy(out.data() + joint_row(part, i, channels, heads, layout.blocked_heads) * row,
                      parts[part]->bytes.data() + i * row, row);
      TensorView joint{pair.foreign + ".qkv" + leaf, parts[0]->dtype, parts[0]->shape, out};
      joint.shape[0] *= 3;
      set_spatial_rank(joint, spatial_rank(layout.scheme));
      builder.add(joint);
    }
}

// Does the reverse for one tensor.
void cut_projection(const TensorView& joint, const AttentionPair& pair, const std::string& leaf,
                    const Layout& layout, const AttentionNames& own_names, Builder& builder) {
  const auto rows = static_cast<std::size_t>(joint.shape.empty() ? 0 : joint.shape[0]);
  if (rows == 0 || rows % 3 != 0)
    throw CheckpointError("tensor '" + shorten(joint.name) +
                          "': its first dimension is not a positive multiple of 3");
  const std::size_t channels = rows / 3, row = row_bytes(joint), heads = pair.heads;
  if (channels % heads != 0)
    throw CheckpointError(format_text("tensor '{}': {} heads do not divide {} channels evenly",
                                      shorten(joint.name), heads, channels));
  for (std::size_t part = 0; part < 3; ++part) {
    const std::string* name[] = {&own_names.q, &own_names.k, &own_names.v};
    const std::span<std::byte> out = builder.allocate(channels * row);
    for (std::size_t i = 0; i < channels; ++i)
      std::memcpy(
          out.data() + i * row,
          joint.bytes.data() + joint_row(part, i, channels, heads, layout.blocked_heads) * row,
          row);
    TensorView view{pair.own + "." + *name[part] + "." + leaf, joint.dtype, joint.shape, out};
    view.shape[0] = static_cast<std::int64_t>(channels);
    set_spatial_rank(view, 0);
    builder.add(view);
  }
}

}  // namespace

std::vector<std::pair<std::string, std::string>> module_names(const ModelConfig& model,
                                                              NamingScheme scheme) {
  std::vector<std::pair<std::string, std::string>> names;
  for (const ModulePair& pair : pairs_of(model, scheme).modules)
    names.emplace_back(pair.own, pair.foreign);
  return names;
}

TensorSet to_layout(const TensorSet& own, const Layout& layout, const ModelConfig& model) {
  const Pairs pairs = pairs_of(model, layout.scheme);
  const AttentionNames own_names = UNetNames::of(model.names).attention_parts;
  std::map<std::string, const ModulePair*> by_own;
  for (const ModulePair& pair : pairs.modules) by_own.emplace(pair.own, &pair);
  Builder builder(own);
  const bool joint = layout.scheme == NamingScheme::kOpenai;
  for (TensorView view : own.tensors) {
    const auto [path, leaf] = split_name(view.name);
    const auto found = by_own.find(path);
    if (found != by_own.end()) {
      const auto [parent, module] = split_name(path);
      if (joint && found->second->part == Part::kProjection &&
          (module == own_names.q || module == own_names.k || module == own_names.v))
        continue;
      view.name = found->second->foreign + "." + leaf;
      if (found->second->part == Part::kProjection)
        set_spatial_rank(view, spatial_rank(layout.scheme));
      if (found->second->part == Part::kFirstTimeLayer &&
          layout.scheme == NamingScheme::kPytorchDdpm)
        view = reorder_columns(view, /*split=*/false, builder);
    }
    builder.add(std::move(view));
  }
  if (joint) join_projections(own, pairs, layout, own_names, builder);
  return builder.finish();
}

TensorSet from_layout(const TensorSet& foreign, const Layout& layout, const ModelConfig& model) {
  const Pairs pairs = pairs_of(model, layout.scheme);
  const AttentionNames own_names = UNetNames::of(model.names).attention_parts;
  std::map<std::string, const ModulePair*> by_foreign;
  for (const ModulePair& pair : pairs.modules) by_foreign.emplace(pair.foreign, &pair);
  std::map<std::string, const AttentionPair*> joint;
  if (layout.scheme == NamingScheme::kOpenai)
    for (const AttentionPair& pair : pairs.attentions) joint.emplace(pair.foreign + ".qkv", &pair);
  Builder builder(foreign);
  for (TensorView view : foreign.tensors) {
    const auto [path, leaf] = split_name(view.name);
    if (const auto found = joint.find(path); found != joint.end()) {
      cut_projection(view, *found->second, leaf, layout, own_names, builder);
      continue;
    }
    if (const auto found = by_foreign.find(path); found != by_foreign.end()) {
      view.name = found->second->own + "." + leaf;
      if (found->second->part == Part::kProjection) set_spatial_rank(view, 0);
      if (found->second->part == Part::kFirstTimeLayer &&
          layout.scheme == NamingScheme::kPytorchDdpm)
        view = reorder_columns(view, /*split=*/true, builder);
    }
    builder.add(std::move(view));
  }
  return builder.finish();
}

TensorSet rename_old_diffusers(TensorSet set) {
  static const std::map<std::string, std::string> kNames = {
      {"query", "to_q"}, {"key", "to_k"}, {"value", "to_v"}, {"proj_attn", "to_out.0"}};
  for (TensorView& view : set.tensors) {
    const auto [path, leaf] = split_name(view.name);
    const auto [parent, module] = split_name(path);
    const auto found = kNames.find(module);
    if (parent.find("attentions.") == std::string::npos || found == kNames.end()) continue;
    view.name = parent + "." + found->second + "." + leaf;
    set_spatial_rank(view, 0);
  }
  return set;
}

}  // namespace ddpm
