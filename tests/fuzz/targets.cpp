#include "fuzz/targets.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

#include "ddpm/architecture/hifi_gan.h"
#include "ddpm/architecture/layer_graph.h"
#include "ddpm/architecture/receptive_field.h"
#include "ddpm/audio/wav.h"
#include "ddpm/base/error.h"
#include "ddpm/config/loader.h"
#include "ddpm/config/validate.h"
#include "ddpm/formats/byte_reader.h"
#include "ddpm/formats/cifar.h"
#include "ddpm/formats/file_kind.h"
#include "ddpm/formats/gzip.h"
#include "ddpm/formats/idx.h"
#include "ddpm/formats/json.h"
#include "ddpm/formats/npy.h"
#include "ddpm/formats/pickle.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/formats/tar.h"
#include "ddpm/formats/torch_file.h"
#include "ddpm/formats/zip.h"
#include "ddpm/image/codec.h"
#include "ddpm/interop/diffusers.h"
#include "ddpm/interop/find_networks.h"
#include "ddpm/metrics/jsonl.h"
#include "ddpm/runs/checkpoint_store.h"
#include "ddpm/runs/training_state.h"
#include "ddpm/tokenizer/prompt_weights.h"
#include "ddpm/tokenizer/tokenizer_files.h"
#include "support/files.h"

namespace ddpm::testing {
namespace {

using Bytes = std::span<const std::byte>;

// Aborts the process if the condition is false, so that libFuzzer reports the input.
void require(bool condition) {
  if (!condition) std::abort();
}

// Reads every byte, so that a sanitizer notices bytes outside of the memory.
void touch(Bytes bytes) {
  std::size_t sum = 0;
  for (const std::byte byte : bytes) sum += std::to_integer<std::size_t>(byte);
  require(sum <= 255 * bytes.size());
}

// A file in memory, on no disk.
class MemoryFile {
 public:
  explicit MemoryFile(Bytes content) : descriptor_(::memfd_create("fuzz", 0)) {
    require(descriptor_ >= 0);
    const ssize_t written = ::write(descriptor_, content.data(), content.size());
    require(written == static_cast<ssize_t>(content.size()));
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

template <class Read>
bool accepted(const Read& read) {
  try {
    read();
    return true;
  } catch (const Error& error) {
    require(*error.what() != '\0');
    return false;
  }
}

std::string_view text_of(Bytes input) {
  return {reinterpret_cast<const char*>(input.data()), input.size()};
}

bool safetensors(Bytes input) {
  const MemoryFile file(input);
  return accepted([&] {
    const SafetensorsFile tensors(file.path());
    for (const TensorView& view : tensors.tensors()) {
      touch(view.bytes);
      require(tensors.find(view.name) == &view);
    }
  });
}

// An accepted config must be the same when it is written and read again.
bool config(Bytes input) {
  return accepted([&] {
    const std::string once = to_json(config_from_json_text(text_of(input), "fuzz"));
    require(to_json(config_from_json_text(once, "again")) == once);
  });
}

bool idx(Bytes input) {
  return accepted([&] {
    for (const int rank : {1, 3}) {
      MemoryReader reader(input, "fuzz");
      if (input.size() > 3 && std::to_integer<int>(input[3]) != rank) continue;
      const IdxArray array = read_idx(reader, rank);
      std::int64_t count = 1;
      for (const std::int64_t size : array.shape) count *= size;
      require(static_cast<std::int64_t>(array.values.size()) == count);
    }
  });
}

bool gzip(Bytes input) {
  constexpr std::size_t kMaxBytes = 1 << 18;  // a small file can unpack to any size
  return accepted([&] {
    GzipReader reader(input, "fuzz");
    std::array<std::byte, 4096> part{};
    for (std::size_t done = 0; done < kMaxBytes; done += part.size()) {
      const std::size_t got = reader.read(part);
      touch(std::span(part).first(got));
      if (got < part.size()) return;
    }
  });
}

bool tar(Bytes input) {
  return accepted([&] {
    MemoryReader reader(input, "fuzz");
    TarReader archive(reader, {.max_members = 100, .max_member_bytes = 1 << 20});
    bool read_it = true;
    while (const auto member = archive.next()) {
      require(!member->name.starts_with('/') && !member->name.starts_with("../"));
      require(member->name.find("/../") == std::string::npos);
      if (std::exchange(read_it, !read_it)) require(archive.read().size() == member->size);
    }
  });
}

bool cifar10(Bytes input) {
  const MemoryFile file(input);
  return accepted([&] {
    const Cifar data = read_cifar10(file.path());
    require(data.pixels.size() == data.labels.size() * 3072);
  });
}

bool image(Bytes input) {
  // Larger images are allowed, but they are slow to decode.
  constexpr long long kMaxPixels = 1 << 20;
  return accepted([&] {
    const ImageInfo info = read_image_info(input, "fuzz");
    require(info.width <= kMaxImageSide && info.height <= kMaxImageSide);
    if (static_cast<long long>(info.width) * info.height > kMaxPixels)
      throw DataError("not decoded here");
    const Image decoded = decode_image(input, "fuzz");
    require(decoded.width == info.width && decoded.height == info.height);
    require(decoded.pixels.size() == static_cast<std::size_t>(decoded.width) *
                                         static_cast<std::size_t>(decoded.height) *
                                         static_cast<std::size_t>(decoded.channels));
    touch(std::as_bytes(std::span(decoded.pixels)));
  });
}

// What an accepted graph's outputs see must be what its inputs reach.
bool layer_graph(Bytes input) {
  return accepted([&] {
    for (const AxisGraph& axis : read_layer_graph(text_of(input), "fuzz").axes) {
      const ReceptiveField field = receptive_field(axis.graph);
      const double seen = field.size.mean * field.outputs_per_input.value();
      require(std::abs(seen - field.influence.mean) <= 1e-9 * field.influence.mean);
      require(field.layers.size() == axis.graph.layers.size());
    }
  });
}

bool png_text(Bytes input) {
  return accepted([&] {
    for (const auto& [keyword, text] : read_png_text(input, "fuzz"))
      require(keyword.find('\0') == std::string::npos);
  });
}

bool wav(Bytes input) {
  return accepted([&] {
    const Sound sound = read_wav(input, "fuzz");
    require(sound.rate >= 1 && sound.rate <= kMaxSamplingRate);
    require(sound.samples.size() * static_cast<std::size_t>(sound.channels) <= input.size());
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

bool prompt(Bytes input) {
  static const ClipTokenizer kTokenizer = ClipTokenizer::of_clip();
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

// Every reference between values must be inside the tree.
bool pickle(Bytes input) {
  return accepted([&] {
    const PickleTree tree = read_pickle(input);
    require(tree.size <= input.size() && tree.root < tree.values.size());
    for (const PickleValue& value : tree.values)
      for (const PickleIndex item : value.items) require(item < tree.values.size());
  });
}

bool torch_file(Bytes input) {
  const MemoryFile file(input);
  return accepted([&] {
    for (const StateDict& dict : read_torch_file(file.path()))
      for (const TensorView& tensor : dict.set.tensors) touch(tensor.bytes);
  });
}

bool zip(Bytes input) {
  return accepted([&] {
    for (const ZipMember& member : read_zip(input)) member.verify();
  });
}

bool deflated_zip(Bytes input) {
  constexpr std::uint64_t kMostBytes = 1 << 20;  // larger members are allowed, but slow
  return accepted([&] {
    for (const ZipMember& member : read_zip(input, ZipMethods::kStoredAndDeflate))
      if (member.size <= kMostBytes) touch(member.unpack());
  });
}

bool npy(Bytes input) {
  return accepted([&] {
    for (const NumpyArray& array : read_numpy(input, "fuzz")) {
      touch(array.bytes);
      const bool is_float = array.type.size() == 3 && array.type[1] == 'f';
      if (!array.bytes.empty() && !is_float)
        require(static_cast<std::int64_t>(integers_of(array).size()) == array.count());
    }
  });
}

bool file_kind(Bytes input) {
  const MemoryFile file(input);
  return accepted([&] { static_cast<void>(recognize_weights(file.path())); });
}

// The dictionaries of a file of weights, as text: a line "#NAME" begins one, a line "NAME 12" is a
// tensor of shape [1,2].
std::vector<StateDict> dictionaries_of(std::string_view text) {
  static constexpr std::array<std::byte, 4096> kZeros{};
  std::vector<StateDict> dictionaries = {{"", {}}};
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) {
      dictionaries.push_back({line.substr(1), {}});
      continue;
    }
    TensorView view{.name = line.substr(0, line.find(' ')), .shape = {}, .bytes = {}};
    std::size_t count = 1;
    for (const char digit : line.substr(std::min(line.size(), view.name.size() + 1)))
      if (digit >= '0' && digit <= '9' && view.shape.size() < 4) {
        view.shape.push_back(digit - '0');
        count *= static_cast<std::size_t>(digit - '0');
      }
    if (count * sizeof(float) > kZeros.size()) continue;
    view.bytes = std::span(kZeros).first(count * sizeof(float));
    dictionaries.back().set.tensors.push_back(std::move(view));
  }
  return dictionaries;
}

bool networks(Bytes input) {
  const std::vector<StateDict> dictionaries = dictionaries_of(text_of(input));
  return accepted([&] {
    const NetworkSearch search = find_networks(dictionaries, "ema_0.9999_000100.pt");
    for (const FoundNetwork& network : search.networks)
      for (const TensorView& tensor : network.set.tensors) touch(tensor.bytes);
    require(search.networks.empty() == (choose_network(search, WeightSet::kEma) == nullptr));
    require(!describe_dictionaries(dictionaries).empty());
    if (search.networks.empty()) throw CheckpointError("no network");
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

constexpr std::array<FuzzTarget, 30> kTargets = {
    {{"safetensors", safetensors},
     {"json", json},
     {"diffusers_unet", diffusers_config<apply_unet_config>},
     {"diffusers_scheduler", diffusers_config<apply_scheduler_config>},
     {"pickle", pickle},
     {"torch_file", torch_file},
     {"file_kind", file_kind},
     {"networks", networks},
     {"zip", zip},
     {"deflated_zip", deflated_zip},
     {"npy", npy},
     {"config", config},
     {"layer_graph", layer_graph},
     {"idx", idx},
     {"gzip", gzip},
     {"tar", tar},
     {"cifar10", cifar10},
     {"png", image},
     {"jpeg", image},
     {"webp", image},
     {"bmp", image},
     {"png_text", png_text},
     {"wav", wav},
     {"hifi_gan", hifi_gan},
     {"tokenizer", tokenizer},
     {"vocabulary", vocabulary},
     {"prompt", prompt},
     {"metrics", metrics},
     {"manifest", manifest},
     {"state", state}}};

}  // namespace

std::span<const FuzzTarget> fuzz_targets() { return kTargets; }

const FuzzTarget& fuzz_target(std::string_view name) {
  const auto found = std::ranges::find(kTargets, name, &FuzzTarget::name);
  if (found == kTargets.end()) throw std::out_of_range(std::string(name));
  return *found;
}

}  // namespace ddpm::testing
