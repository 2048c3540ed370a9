#include "ddpm/formats/json.h"

#include <cstddef>
#include <cstdint>

#include "ddpm/base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const nlohmann::json document =
        ddpm::parse_json({reinterpret_cast<const char*>(data), size}, "fuzz");
    static_cast<void>(document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } catch (const ddpm::CheckpointError&) {  // the only way to refuse
  }
  return 0;
}
