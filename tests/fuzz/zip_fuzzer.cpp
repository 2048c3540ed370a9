#include "ddpm/formats/zip.h"

#include <cstddef>
#include <cstdint>

#include "ddpm/base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    for (const ddpm::ZipMember& member : ddpm::read_zip(std::as_bytes(std::span(data, size))))
      member.verify();
  } catch (const ddpm::CheckpointError&) {  // the only way to refuse
  }
  return 0;
}
