// A small text encoder with random weights, in a folder as transformers writes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <list>
#include <span>
#include <string>
#include <vector>

#include "ddpm/base/format.h"
#include "ddpm/formats/safetensors.h"
#include "support/hash_value.h"

namespace ddpm::testing {

// Writes config.json and model.safetensors of one layer, two heads and CLIP's vocabulary.
inline void write_text_encoder(const std::filesystem::path& folder, std::int64_t width) {
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "config.json") << format_text(
      R"({{"model_type": "clip_text_model", "architectures": ["CLIPTextModel"], "hidden_size": {},
          "intermediate_size": {}, "num_hidden_layers": 1, "num_attention_heads": 2,
          "vocab_size": 49408, "eos_token_id": 49407}})",
      width, 2 * width);
  std::list<std::vector<float>> memory;
  std::vector<TensorView> views;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape, double offset) {
    std::size_t count = 1;
    for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
    std::vector<float>& values = memory.emplace_back(count);
    for (std::size_t i = 0; i < count; ++i)
      values[i] = static_cast<float>(offset + hash_value(views.size(), i));
    views.push_back(
        {"text_model." + name, DType::kF32, std::move(shape), std::as_bytes(std::span(values))});
  };
  const auto add_linear = [&](const std::string& name, std::int64_t out, std::int64_t in) {
    add(name + ".weight", {out, in}, 0);
    add(name + ".bias", {out}, 0);
  };
  const auto add_norm = [&](const std::string& name) {
    add(name + ".weight", {width}, 1);
    add(name + ".bias", {width}, 0);
  };
  add("embeddings.token_embedding.weight", {49408, width}, 0);
  add("embeddings.position_embedding.weight", {77, width}, 0);
  const std::string layer = "encoder.layers.0.";
  for (const char* part : {"q_proj", "k_proj", "v_proj", "out_proj"})
    add_linear(layer + "self_attn." + part, width, width);
  add_linear(layer + "mlp.fc1", 2 * width, width);
  add_linear(layer + "mlp.fc2", width, 2 * width);
  for (const char* norm :
       {"encoder.layers.0.layer_norm1", "encoder.layers.0.layer_norm2", "final_layer_norm"})
    add_norm(norm);
  write_safetensors(folder / "model.safetensors", views, {});
}

}  // namespace ddpm::testing
