// The published configs of HiFi-GAN, for tests.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "ddpm/architecture/hifi_gan.h"
#include "ddpm/formats/json.h"

namespace ddpm::testing {

inline std::string hifi_gan_path(int version) {
  return DDPM_SOURCE_DIR "/configs/hifi-gan/config_v" + std::to_string(version) + ".json";
}

inline HifiGanConfig hifi_gan_config(int version) {
  return read_hifi_gan_config(read_json_file(hifi_gan_path(version)), "published");
}

}  // namespace ddpm::testing
