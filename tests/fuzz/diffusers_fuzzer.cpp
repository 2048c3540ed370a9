#include "ddpm/interop/diffusers.h"

#include <cstddef>
#include <cstdint>

#include "ddpm/base/error.h"
#include "ddpm/base/log.h"
#include "ddpm/config/validate.h"
#include "ddpm/formats/json.h"

// Whatever config the JSON files give can be validated, or is refused.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ddpm::set_up_logging({.quiet = true});
  for (const bool is_unet : {true, false}) try {
      const nlohmann::json document =
          ddpm::parse_json({reinterpret_cast<const char*>(data), size}, "fuzz");
      ddpm::Config config;
      if (is_unet)
        ddpm::apply_unet_config(document, "fuzz", config);
      else
        ddpm::apply_scheduler_config(document, "fuzz", config);
      ddpm::validate(config);
    } catch (const ddpm::CheckpointError&) {  // the ways to refuse
    } catch (const ddpm::ConfigError&) {
    }
  return 0;
}
