#include "ddpm/formats/safetensors.h"

#include "ddpm/base/error.h"
#include "memory_file.h"

// Every byte of every tensor can be read.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ddpm::testing::MemoryFile file(data, size);
  try {
    unsigned sum = 0;
    const ddpm::SafetensorsFile tensors(file.path());
    for (const ddpm::TensorView& tensor : tensors.tensors())
      for (const std::byte byte : tensor.bytes) sum += std::to_integer<unsigned>(byte);
    volatile unsigned used = sum;
    static_cast<void>(used);
  } catch (const ddpm::CheckpointError&) {  // the only way to refuse
  }
  return 0;
}
