// Fuzz targets: configs, JSON and other texts, the program's own and those of other programs.
#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <string>

#include "ddpm/architecture/hifi_gan.h"
#include "ddpm/architecture/layer_graph.h"
#include "ddpm/architecture/receptive_field.h"
#include "ddpm/config/loader.h"
#include "ddpm/config/validate.h"
#include "ddpm/formats/json.h"
#include "ddpm/interop/diffusers.h"
#include "ddpm/metrics/jsonl.h"
#include "ddpm/runs/checkpoint_store.h"
#include "ddpm/runs/training_state.h"
#include "ddpm/tokenizer/prompt_weights.h"
#include "ddpm/tokenizer/tokenizer_files.h"
#include "fuzz/reading.h"
#include "fuzz/targets.h"
#include "support/files.h"

namespace ddpm::testing {
namespace {

bool json(Bytes input) {
  return accepted([&] {
    const nlohmann::json document = parse_json(text_of(input), "fuzz");
    static_cast<void>(document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  });
}

// If the JSON of a diffusers folder is accepted, validate() must accept or refuse its config.
template <auto kApply>
bool diffusers_config(Bytes input) {
  return accepted([&] {
    Config result;
    kApply(parse_json(text_of(input), "fuzz"), "fuzz", result);
    validate(result);
  });
}

// An accepted config must be the same when it is written and read again.
bool config(Bytes input) {
  return accepted([&] {
    const std::string once = to_json(config_from_json_text(text_of(input), "fuzz"));
    require(to_json(config_from_json_text(once, "again")) == once);
  });
}

// Whether what the outputs see is found soon. Larger numbers are allowed, but take up to seconds each.
bool is_quick(const LayerGraph& graph) {
  constexpr std::int64_t kMostPhases = 32, kMostTaps = 16;
  constexpr std::size_t kMostLayers = 16;
  return graph.layers.size() <= kMostLayers &&
         std::ranges::all_of(graph.layers,
                             [](const Layer& layer) {
                               return layer.taps.kernel <= kMostTaps &&
                                      layer.inputs.size() <= kMostLayers;
                             }) &&
         std::ranges::all_of(grid_spacings(graph), [](const Fraction& spacing) {
           return spacing.numerator <= kMostPhases && spacing.denominator <= kMostPhases;
         });
}

// What an accepted graph's outputs see must be what its inputs reach.
bool layer_graph(Bytes input) {
  return accepted([&] {
    for (const AxisGraph& axis : read_layer_graph(text_of(input), "fuzz").axes) {
      if (!is_quick(axis.graph)) continue;
      const ReceptiveField field = receptive_field(axis.graph);
      const double seen = field.size.mean * field.outputs_per_input.value();
      require(std::abs(seen - field.influence.mean) <= 1e-9 * field.influence.mean);
      require(field.layers.size() == axis.graph.layers.size());
    }
  });
}

bool hifi_gan(Bytes input) {
  return accepted([&] {
    const HifiGanConfig config = read_hifi_gan_config(parse_json(text_of(input), "fuzz"), "fuzz");
    require(hop_of(config) == config.mel.hop_size);
  });
}

// A tokenizer that was accepted must give ids of its vocabulary for any text.
void use_tokenizer(const ClipTokenizer& tokenizer) {
  for (const TokenId id :
       tokenizer.ids("A photo, in 1999! <|endoftext|> <|StartOfText|> \u00C9\u732B"))
    require(id >= 0 && id < tokenizer.vocabulary().size());
  require(tokenizer.padded({}, 4).ids.size() == 4);
}

bool tokenizer(Bytes input) {
  return accepted(
      [&] { use_tokenizer(clip_tokenizer_of_json(parse_json(text_of(input), "fuzz"), "fuzz")); });
}

// The first line is vocab.json, the others are merges.txt.
bool vocabulary(Bytes input) {
  const std::string_view text = text_of(input);
  const std::size_t end = std::min(text.find('\n'), text.size());
  return accepted([&] {
    use_tokenizer(clip_tokenizer_of_vocabulary(parse_json(text.substr(0, end), "fuzz"),
                                               text.substr(end), "fuzz"));
  });
}

// Longer prompts are allowed, but take longer and have nothing more to show.
bool prompt(Bytes input) {
  static const ClipTokenizer kTokenizer = ClipTokenizer::of_clip();
  input = input.first(std::min<std::size_t>(input.size(), 1000));
  return accepted([&] {
    for (const PromptChunk& chunk : chunk_prompt(parse_prompt_weights(text_of(input)), kTokenizer))
      require(chunk.ids.size() <= 75 && chunk.weights.size() == chunk.ids.size());
  });
}

bool metrics(Bytes input) {
  const MemoryFile file(input);
  return accepted([&] {
    for (const MetricRecord& record : read_metrics(file.path())) to_json_line(record);
  });
}

// The checkpoint is complete except for the manifest, which is the input.
bool manifest(Bytes input) {
  static const TemporaryFolder folder;
  for (const char* name : {"model.safetensors", "optimizer.safetensors", "state.json"})
    if (!std::filesystem::exists(folder / name)) folder.write(name, name);
  folder.write("MANIFEST.json", text_of(input));
  return accepted([&] { verify_checkpoint(folder.path()); });
}

// An accepted state must be the same when it is written and read again.
bool state(Bytes input) {
  static const TemporaryFolder folder;
  folder.write("state.json", text_of(input));
  return accepted([&] {
    const TrainingState once = read_training_state(folder.path());
    require(once.step >= 0 && once.images_seen >= 0);
    write_training_state(folder.path(), once);
    const TrainingState again = read_training_state(folder.path());
    require(again.step == once.step && to_json(again.config) == to_json(once.config));
  });
}

constexpr std::array kTargets =
    std::to_array<FuzzTarget>({{"json", json},
                               {"diffusers_unet", diffusers_config<apply_unet_config>},
                               {"diffusers_scheduler", diffusers_config<apply_scheduler_config>},
                               {"config", config},
                               {"layer_graph", layer_graph},
                               {"hifi_gan", hifi_gan},
                               {"tokenizer", tokenizer},
                               {"vocabulary", vocabulary},
                               {"prompt", prompt},
                               {"metrics", metrics},
                               {"manifest", manifest},
                               {"state", state}});

}  // namespace

std::span<const FuzzTarget> text_targets() { return kTargets; }

}  // namespace ddpm::testing
