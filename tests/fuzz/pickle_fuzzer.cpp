#include "ddpm/formats/pickle.h"

#include "ddpm/base/error.h"

// Every reference between values is inside the tree.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const ddpm::PickleTree tree = ddpm::read_pickle(std::as_bytes(std::span(data, size)));
    if (tree.size > size || tree.root >= tree.values.size()) __builtin_trap();
    for (const ddpm::PickleValue& value : tree.values)
      for (const ddpm::PickleIndex item : value.items)
        if (item >= tree.values.size()) __builtin_trap();
  } catch (const ddpm::CheckpointError&) {  // the only way to refuse
  }
  return 0;
}
