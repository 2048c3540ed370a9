// What the configs of diffusers' UNet classes have in common. Private to this folder.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "ddpm/config/config.h"
#include "ddpm/formats/json_keys.h"

namespace ddpm {

// The way of a level through the UNet, as block types spell it.
enum class Direction { kDown, kUp };
constexpr auto choice_names(Direction) { return name_list("Down", "Up"); }
constexpr const char* block_types_key(Direction direction) {
  return direction == Direction::kDown ? "down_block_types" : "up_block_types";
}

void warn_of_unknown_keys(const JsonKeys& keys, const std::string& name);

// Sets model.widths or what they are computed from. `otherwise` is the default of the class.
std::vector<std::int64_t> read_widths(JsonKeys& keys, const std::vector<std::int64_t>& otherwise,
                                      ModelConfig& model);

// Sets the keys that mean the same in both classes: norms, padding, dropout, centred input, and what
// neither class can vary.
void read_common(JsonKeys& keys, ModelConfig& model);

// sample_size: null, a number, or height and width.
void read_sample_size(JsonKeys& keys, DataConfig& data);
nlohmann::ordered_json sample_size(const DataConfig& data);

nlohmann::ordered_json null_if_zero(std::int64_t value);

// Keys whose values a class cannot represent, each with the reason.
class UnrepresentableKeys {
 public:
  UnrepresentableKeys(const Config& config, std::string class_name)
      : config_(config), class_name_(std::move(class_name)) {}
  void add(const std::string& key, const std::string& reason);
  // Throws ConfigError that lists them.
  void throw_if_any() const;

 private:
  const Config& config_;
  std::string class_name_;
  std::vector<std::string> list_;
};

}  // namespace ddpm
