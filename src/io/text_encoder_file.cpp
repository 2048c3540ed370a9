#include "ddpm/io/text_encoder_file.h"

#include <array>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/new_folder.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/json.h"
#include "ddpm/formats/weight_file.h"
#include "ddpm/interop/clip_text.h"
#include "ddpm/io/weights.h"
#include "ddpm/tokenizer/tokenizer_files.h"

namespace ddpm {
namespace {

// The names that save_pretrained of transformers gives the weights, the exact ones first.
constexpr std::array<const char*, 6> kWeightNames = {
    "model.safetensors", "model.safetensors.index.json", "model.fp16.safetensors",
    "pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model.fp16.bin"};

// The folders of a whole model, with those of their tokenizers.
struct Part {
  const char *encoder, *tokenizer;
};
constexpr std::array<Part, 2> kParts = {
    {{"text_encoder", "tokenizer"}, {"text_encoder_2", "tokenizer_2"}}};

fs::path weights_in(const fs::path& folder) {
  for (const char* name : kWeightNames)
    if (path_exists(folder / name)) return folder / name;
  throw CheckpointError(format_text("{}: there is a config of a text encoder, but no {}",
                                    shown(folder), kWeightNames.front()));
}

TextEncoderFile open_encoder(const fs::path& folder, ContextState state, ClipTokenizer tokenizer) {
  const fs::path config = folder / "config.json", weights = weights_in(folder);
  const TensorSet set = read_state_dicts(weights).front().set;
  return {.weights = weights,
          .config = read_clip_text_config(read_json_file(config), shown(config)),
          .tensors = clip_text_from_scheme(set),
          .state = state,
          .tokenizer = std::move(tokenizer)};
}

// As the files of version 2 and of XL's second encoder should say it, if they are there.
ClipPadding padding_of(ContextState state, bool is_second) {
  if (is_second) return ClipPadding::kExclamation;
  return state == ContextState::kPenultimateNormed ? ClipPadding::kZero : ClipPadding::kEnd;
}

ClipTokenizer tokenizer_for(const fs::path& folder, ClipPadding padding) {
  return has_tokenizer_files(folder) ? read_clip_tokenizer(folder)
                                     : ClipTokenizer::of_clip(padding);
}

// Whether the folder is that of one text encoder. A run of this program has a config.json too.
bool is_encoder_folder(const fs::path& folder) {
  if (!path_exists(folder / "config.json") || path_exists(folder / "checkpoints")) return false;
  const nlohmann::json config = read_json_file(folder / "config.json");
  if (!config.is_object()) return false;
  const auto type = config.find("model_type");
  return config.contains("text_config") || (type != config.end() && *type == "clip_text_model");
}

TextEncoderFiles open_folder(const fs::path& folder) {
  TextEncoderFiles files;
  const bool is_xl = path_exists(folder / kParts[1].encoder / "config.json");
  const ContextState state = is_xl ? ContextState::kPenultimate : ContextState::kLastNormed;
  for (const Part& part : kParts)
    if (path_exists(folder / part.encoder / "config.json"))
      files.encoders.push_back(
          open_encoder(folder / part.encoder, state,
                       tokenizer_for(folder / part.tokenizer,
                                     padding_of(state, part.encoder == kParts[1].encoder))));
  if (files.encoders.empty() && is_encoder_folder(folder))
    files.encoders.push_back(open_encoder(folder, state, tokenizer_for(folder, ClipPadding::kEnd)));
  if (const fs::path index = folder / "model_index.json"; is_xl && path_exists(index))
    files.zeros_for_absent = read_json_file(index).value("force_zeros_for_empty_prompt", true);
  return files;
}

TextEncoderFiles open_file(const fs::path& path) {
  TextEncoderFiles files;
  for (const StateDict& dictionary : read_state_dicts(path)) {
    for (const FoundTextEncoder& found : find_text_encoders(dictionary.set)) {
      const bool is_second =
          found.state == ContextState::kPenultimate && found.place.ends_with(".model.");
      files.encoders.push_back(
          {.weights = path,
           .config = infer_clip_text(found.set),
           .tensors = clip_text_from_scheme(found.set),
           .state = found.state,
           .tokenizer = ClipTokenizer::of_clip(padding_of(found.state, is_second))});
      files.zeros_for_absent = found.state == ContextState::kPenultimate;
    }
    if (!files.encoders.empty()) break;
  }
  return files;
}

}  // namespace

TextEncoderFiles open_text_encoders(const fs::path& path) {
  if (!path_exists(path)) throw CheckpointError(shown(path) + ": no such file or folder");
  return is_folder(path) ? open_folder(path) : open_file(path);
}

void save_text_encoder(const fs::path& folder, const ClipTextConfig& config,
                       const std::vector<NamedTensor>& tensors) {
  NewFolder files(folder);
  std::vector<NamedTensor> named = tensors;
  for (NamedTensor& tensor : named)
    if (!tensor.name.starts_with("text_projection")) tensor.name.insert(0, "text_model.");
  save_tensors(files.add("model.safetensors"), named, {{"format", "pt"}});
  write_file_atomically(files.add("config.json"), clip_text_json(config).dump(2) + "\n");
  files.finish();
}

}  // namespace ddpm
