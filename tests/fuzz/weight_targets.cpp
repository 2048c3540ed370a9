// Fuzz targets: files of weights and the containers that they are in.
#include <algorithm>
#include <array>
#include <sstream>
#include <vector>

#include "ddpm/formats/file_kind.h"
#include "ddpm/formats/npy.h"
#include "ddpm/formats/pickle.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/formats/torch_file.h"
#include "ddpm/formats/zip.h"
#include "ddpm/interop/find_networks.h"
#include "fuzz/reading.h"
#include "fuzz/targets.h"

namespace ddpm::testing {
namespace {

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

constexpr std::array kTargets = std::to_array<FuzzTarget>({{"safetensors", safetensors},
                                                           {"pickle", pickle},
                                                           {"torch_file", torch_file},
                                                           {"file_kind", file_kind},
                                                           {"networks", networks},
                                                           {"zip", zip},
                                                           {"deflated_zip", deflated_zip},
                                                           {"npy", npy}});

}  // namespace

std::span<const FuzzTarget> weight_targets() { return kTargets; }

}  // namespace ddpm::testing
